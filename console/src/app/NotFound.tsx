import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";

import { useAddress } from "./places.tsx";

export function NotFound() {
  const address = useAddress();
  return (
    <Alert header="There is no such page" action={<Button href={address("/")}>Overview</Button>}>
      The address may be of an older console, or cut off.
    </Alert>
  );
}
