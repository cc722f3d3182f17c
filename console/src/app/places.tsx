import Link, { type LinkProps } from "@cloudscape-design/components/link";
import { createContext, use, type ReactNode } from "react";

import { addressOf, type Place } from "./router.ts";

export const PlaceContext = createContext<Place>({
  account: "",
  path: "/",
  query: new URLSearchParams(),
});

/** Where we are. */
export function usePlace(): Place {
  return use(PlaceContext);
}

/** Makes addresses of pages of the account that is shown. */
export function useAddress(): (path: string, query?: Record<string, string>) => string {
  const { account } = usePlace();
  return (path, query) => addressOf(account, path, query);
}

interface ToProps {
  to: string;
  query?: Record<string, string>;
  children: ReactNode;
  variant?: LinkProps.Variant;
  label?: string;
}

/** A link to another page of the console: `<To to="/users/12">…</To>`. */
export function To({ to, query, children, variant = "primary", label }: ToProps) {
  const address = useAddress();
  return (
    <Link href={address(to, query)} variant={variant} {...(label ? { ariaLabel: label } : {})}>
      {children}
    </Link>
  );
}
