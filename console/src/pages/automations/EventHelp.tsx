/** What other applications get (docs/events.md). */
export function EventHelp() {
  return (
    <>
      <h3>Events</h3>
      <p>
        An event of the source <code>instep</code>, “Action taken”, goes to the application’s bus in
        Amazon EventBridge. It holds the numbers of automation, action, page, user and member and
        the time of the action, and nobody’s values. For developers it is described in{" "}
        <code>docs/events.md</code>.
      </p>
    </>
  );
}
