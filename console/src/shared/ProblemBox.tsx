import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";

import type { Problem } from "../api/problem.ts";
import { useAddress } from "../app/places.tsx";
import { wordsOf } from "./problems.ts";

interface ProblemBoxProps {
  problem: Problem;
  onRetry?: () => void;
}

/** A problem in place of what could not be shown, with what one can do about it. */
export function ProblemBox({ problem, onRetry }: ProblemBoxProps) {
  const address = useAddress();
  const { title, text } = wordsOf(problem);
  const action =
    problem.kind === "not_connected" ? (
      <Button href={address("/settings")}>Go to Settings</Button>
    ) : onRetry && problem.kind !== "forbidden" && problem.kind !== "signed_out" ? (
      <Button onClick={onRetry} iconName="refresh">
        Try again
      </Button>
    ) : undefined;
  return (
    <Alert
      type={problem.kind === "not_connected" ? "info" : "error"}
      header={title}
      action={action}
    >
      {text}
    </Alert>
  );
}
