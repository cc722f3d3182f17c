import type { Problem } from "../api/problem.ts";

/** A problem in plain words: a heading, and what one can do. */
export function wordsOf(problem: Problem): { title: string; text: string } {
  switch (problem.kind) {
    case "signed_out":
      return {
        title: "Your session has expired",
        text: "Sign in again to go on where you were.",
      };
    case "forbidden":
      return {
        title: "You may not do this",
        text:
          `${problem.message} Ask whoever gives out access for the role that you need, ` +
          "then sign out and in again.",
      };
    case "not_connected":
      return {
        title: "This account is not connected",
        text: "Connect it to ActionKit and Strive in Settings, then come back.",
      };
    case "unreachable":
      return {
        title: "The API cannot be reached",
        text:
          "Nothing was lost. Check your connection to the internet and try again; if it goes on, " +
          "tell the people who operate this application.",
      };
    case "fault":
      return { title: "Something went wrong", text: problem.message };
    case "refused":
      return { title: "That did not work", text: withDetails(problem) };
  }
}

function withDetails(problem: Problem): string {
  const details = problem.details.map((one) => `${one.field}: ${one.message}`);
  return [problem.message, ...details].join(" ");
}
