/**
 * The life of the page's one socket, as a table. Nothing else decides which state follows. Pure.
 *
 * An event that a state does not name is out of date (an answer to a question that no longer matters) and changes nothing.
 */

export type ConnectionState =
  | "idle" // nothing is followed; no socket
  | "ticket" // asking for a single-use ticket
  | "opening" // the socket is being opened
  | "greeting" // the ticket was sent; waiting for `hello`
  | "live"
  | "waiting" // between two tries
  | "stopped" // the server said not to come back; a person may try again
  | "signed_out"; // no valid session

export type ConnectionEvent =
  | "need" // somebody wants to send or follow
  | "ticket" // a ticket was given
  | "refused" // no session, or the second denial in a row
  | "opened"
  | "hello"
  | "lost" // closed, failed, or silent: come back
  | "denied" // 4401: once more with a fresh ticket
  | "barred" // closed with a code that says not to come back
  | "parked" // closed as idle while nothing is followed
  | "elapsed" // the state's time is over
  | "wake" // the page is visible or online again
  | "retry"; // a person asks for another try

type Moves = Partial<Record<ConnectionEvent, ConnectionState>>;

export const CONNECTION_TABLE: Readonly<Record<ConnectionState, Moves>> = {
  idle: { need: "ticket", retry: "ticket" },
  ticket: { ticket: "opening", refused: "signed_out", lost: "waiting", elapsed: "waiting" },
  opening: { opened: "greeting", lost: "waiting", elapsed: "waiting", denied: "ticket", refused: "signed_out", barred: "stopped" },
  greeting: { hello: "live", lost: "waiting", elapsed: "waiting", denied: "ticket", refused: "signed_out", barred: "stopped" },
  live: { lost: "waiting", elapsed: "waiting", denied: "ticket", refused: "signed_out", barred: "stopped", parked: "idle" },
  waiting: { elapsed: "ticket", wake: "ticket", retry: "ticket" },
  stopped: { retry: "ticket" },
  signed_out: { retry: "ticket" },
};

/** Return the state after `event`, or null if the event means nothing in `state`. */
export function nextState(state: ConnectionState, event: ConnectionEvent): ConnectionState | null {
  return CONNECTION_TABLE[state][event] ?? null;
}
