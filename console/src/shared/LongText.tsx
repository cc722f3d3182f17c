import Button from "@cloudscape-design/components/button";
import { useState } from "react";

interface LongTextProps {
  text: string | null | undefined;
  /** So many characters are shown at first. */
  limit?: number;
  none?: string;
}

/** Text of others: only ever as text, its line breaks kept, cut where it is long. */
export function LongText({ text, limit = 160, none = "–" }: LongTextProps) {
  const [whole, setWhole] = useState(false);
  if (!text) return <>{none}</>;
  const characters = Array.from(text);
  const long = characters.length > limit + 20;
  return (
    <span className="long-text">
      {long && !whole ? `${characters.slice(0, limit).join("")}…` : text}
      {long && (
        <>
          {" "}
          <Button
            variant="inline-link"
            onClick={() => setWhole(!whole)}
            ariaExpanded={whole}
            ariaLabel={whole ? "Show less of this text" : "Show all of this text"}
          >
            {whole ? "Show less" : "Show all"}
          </Button>
        </>
      )}
    </span>
  );
}
