import Box from "@cloudscape-design/components/box";

import { LongText } from "../../shared/LongText.tsx";

interface ValueProps {
  /** Null where it was never seen. */
  value: string | null;
  /** What is said in its place then. */
  unknown?: string;
  limit?: number;
}

/** A value of one of the two systems: only ever text, in its own direction, cut where long. */
export function Value({ value, unknown = "Not seen", limit = 80 }: ValueProps) {
  if (value === null) return <Quiet>{unknown}</Quiet>;
  if (value.trim() === "") return <Quiet>Empty</Quiet>;
  return (
    <span dir="auto">
      <LongText text={value} limit={limit} />
    </span>
  );
}

/** What the console says where there is no value. */
export function Quiet({ children }: { children: string }) {
  return (
    <Box display="inline" color="text-status-inactive">
      {children}
    </Box>
  );
}
