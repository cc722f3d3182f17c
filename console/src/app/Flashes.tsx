import Button from "@cloudscape-design/components/button";
import Flashbar, { type FlashbarProps } from "@cloudscape-design/components/flashbar";
import { type ReactNode, useCallback, useEffect, useMemo, useState } from "react";

import type { Problem } from "../api/problem.ts";
import { type Flash } from "../shared/flashes.ts";
import { wordsOf } from "../shared/problems.ts";

type Message = FlashbarProps.MessageDefinition & { id: string };

const SUCCESS_MILLISECONDS = 8000;
const EXPIRED = "session-expired";
let count = 0;

/** The messages of the console, and how to add one. Those of success go by themselves. */
export function useFlashes(onSignIn: () => void) {
  const [messages, setMessages] = useState<Message[]>([]);

  const remove = useCallback(
    (id: string) => setMessages((now) => now.filter((one) => one.id !== id)),
    [],
  );
  const add = useCallback(
    (message: FlashbarProps.MessageDefinition, id = `flash-${(count += 1)}`) => {
      const onDismiss = (): void => remove(id);
      setMessages((now) => [
        { dismissible: true, dismissLabel: "Close", onDismiss, ...message, id },
        ...now.filter((one) => one.id !== id),
      ]);
      return id;
    },
    [remove],
  );
  const expired = useCallback(
    (problem: Problem) => {
      const { title, text } = wordsOf(problem);
      add(
        {
          type: "error",
          header: title,
          content: text,
          dismissible: false,
          action: <Button onClick={onSignIn}>Sign in again</Button>,
        },
        EXPIRED,
      );
    },
    [add, onSignIn],
  );
  const flash = useMemo<Flash>(
    () => ({
      success: (text) => {
        const id = add({ type: "success", content: text });
        window.setTimeout(() => remove(id), SUCCESS_MILLISECONDS);
      },
      info: (text) => {
        add({ type: "info", content: text });
      },
      problem: (problem) => {
        if (problem.kind === "signed_out") return; // It is said already.
        const { title, text } = wordsOf(problem);
        add({ type: "error", header: title, content: text });
      },
    }),
    [add, remove],
  );
  return { messages, flash, expired };
}

/** Where messages are; they are read out as they come. */
export function Flashes({ messages }: { messages: Message[] }): ReactNode {
  // A message that has just come must be seen, wherever one has scrolled to.
  const latest = messages[0]?.id;
  useEffect(() => {
    if (latest !== undefined) window.scrollTo({ top: 0 });
  }, [latest]);
  return (
    <Flashbar
      items={messages.map((one) => ({
        ...one,
        ariaRole: one.type === "error" ? "alert" : "status",
      }))}
      i18nStrings={{ ariaLabel: "Messages" }}
    />
  );
}
