/**
 * The frames and commands of the wire protocol as types. Generated from docs/api/schema by scripts/generate-types.mjs: do not edit.
 */

/** The first message of a socket that came without credentials: a single-use ticket or a token. */
export interface AuthCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "auth";
  readonly ticket?: string | null;
  readonly token?: string | null;
}

/** Several entries in one frame (protocol, S9). */
export interface Batch {
  readonly entries: readonly (StateEntry | EventEntry)[];
  /** place in the run's log, from 1 */
  readonly first_seq: number;
  readonly run_id: string;
  readonly type: "batch";
}

/** The first frame of a followed run (protocol, S1). */
export interface Connected {
  readonly epoch: string;
  /** place in the run's log, from 1 */
  readonly first_seq: number;
  readonly heartbeat_s: number;
  /** place in the run's log, from 1 */
  readonly last_seq: number;
  readonly protocol?: string;
  readonly resumed: boolean;
  readonly run_id: string;
  readonly status: RunStatus;
  readonly type: "connected";
}

/** Who controls it. */
export type ControlState = "AGENT" | "CLOSED" | "PERSON";

/** A follow on a command socket has ended; ``code`` is a close code of section 5. */
export interface End {
  readonly code: number;
  readonly run_id: string;
  readonly type: "end";
}

/** An error of the catalogue. */
export interface ErrorObject {
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly message: string;
  readonly retryable: boolean;
}

/** An entry of the log: the agent said something; ``data`` is one AG-UI event, verbatim. */
export interface EventEntry {
  readonly data: Readonly<Record<string, unknown>>;
  readonly run_id: string;
  /** place in the run's log, from 1 */
  readonly seq: number;
  /** Unix milliseconds */
  readonly ts_ms: number;
  readonly type: "event";
}

/** Why a run, or an attempt of it, FAILED. ``limit`` names the limit that it exceeded. */
export interface FailureData {
  readonly code: string;
  readonly limit?: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** A sign of life (protocol, S7); of a followed run it says where the log stands. */
export interface Heartbeat {
  /** place in the run's log, from 1 */
  readonly last_seq?: number;
  readonly run_id?: string;
  /** Unix milliseconds */
  readonly ts_ms: number;
  readonly type: "heartbeat";
}

/** The first frame of a command socket (protocol, section 4). */
export interface Hello {
  readonly heartbeat_s: number;
  readonly limits: Limits;
  readonly protocol?: string;
  readonly type: "hello";
  readonly user: string;
}

/** Chosen for each start; a thread without a live run is never busy. */
export type IfBusy = "enqueue" | "interrupt" | "parallel" | "reject" | "rollback" | "steer";

/** A key, such as ``a``, ``Enter`` or ``Control+A``. */
export interface KeyInput {
  readonly action?: "down" | "press" | "up";
  readonly key: string;
  readonly kind: "key";
}

/** What a client may do on one command socket. */
export interface Limits {
  readonly follows: number;
  readonly message_burst: number;
  readonly message_bytes: number;
  readonly messages_per_s: number;
}

/** The mouse is moved there, and pressed, released or clicked. */
export interface MouseInput {
  readonly action: "click" | "double" | "down" | "move" | "up";
  readonly button?: "left" | "middle" | "right";
  /** which click of a quick series a down or an up belongs to; 2: a double click */
  readonly clicks?: number;
  readonly kind: "mouse";
  /** CSS pixels of the viewport */
  readonly x: number;
  /** CSS pixels of the viewport */
  readonly y: number;
}

/** Ask for a ``pong``. */
export interface PingCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "ping";
}

/** The answer to ``ping``, with the command's id if it had one. */
export interface Pong {
  readonly id?: unknown;
  readonly type: "pong";
}

/** The class in which a run waits. */
export type Priority = "high" | "low" | "normal";

/** A waiting run's place; outside the log. */
export interface Queue {
  /** why it waits although its turn may have come */
  readonly blocked?: string;
  /** seconds until it starts; only where it follows from measured times */
  readonly eta_s?: number;
  /** place among all runs that wait, from 1 */
  readonly position: number;
  readonly run_id: string;
  readonly size: number;
  readonly type: "queue";
}

/** Mean the queue: ``queue.follow`` and ``queue.unfollow``. */
export interface QueueFollowCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "queue.follow";
}

/** The queue as a whole, for ``queue.follow``: it names no run, but lists the follower's own, first come first. */
export interface QueueOverview {
  readonly own: readonly WaitingRun[];
  readonly paused: boolean;
  readonly queued: number;
  readonly running: number;
  readonly type: "queue";
  readonly waiting: number;
}

/** Mean the queue: ``queue.follow`` and ``queue.unfollow``. */
export interface QueueUnfollowCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "queue.unfollow";
}

/** The answer to a command: ``result`` if ``ok``, else ``error``. */
export interface Reply {
  readonly error?: ErrorObject;
  readonly id: unknown;
  readonly ok: boolean;
  readonly result?: unknown;
  readonly type: "reply";
}

/** The client's cursor was of no use; the log follows from ``first_seq`` (protocol, S3). */
export interface Reset {
  /** place in the run's log, from 1 */
  readonly first_seq: number;
  /** place in the run's log, from 1 */
  readonly last_seq: number;
  readonly reason: "ahead" | "epoch" | "trimmed";
  readonly run_id: string;
  readonly type: "reset";
}

/** Name a run: ``run.cancel`` and ``run.unfollow``. */
export interface RunCancelCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "run.cancel";
  /** the run's only name; chosen by a client, its idempotency key */
  readonly run_id: string;
}

/** Follow a run on a command socket: ``run.follow``. */
export interface RunFollowCommand {
  readonly after?: number | null;
  readonly batch?: boolean;
  readonly epoch?: string | null;
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "run.follow";
  /** the run's only name; chosen by a client, its idempotency key */
  readonly run_id: string;
}

/** What one run may use, besides its time; None leaves it to whoever is asked next: start, agent, server.
 * 
 *     Exceeding one ends the run FAILED ``limit_exceeded`` with the limit's name. Events and bytes count anew with each
 *     attempt, and so does what a model is asked; artifacts count over all of them. */
export interface RunLimits {
  readonly artifact_bytes?: number | null;
  readonly artifacts?: number | null;
  readonly events?: number | null;
  readonly idle_timeout_s?: number | null;
  readonly log_bytes?: number | null;
  readonly model_cost_usd?: number | null;
  readonly model_tokens?: number | null;
}

/** A run of a followed thread has another status; outside the log. */
export interface RunMoved {
  readonly run_id: string;
  readonly status: RunStatus;
  readonly thread_id: string;
  readonly type: "run";
}

/** The same on a command socket: ``run.respond``. */
export interface RunRespondCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "run.respond";
  readonly payload: unknown;
  /** the id of the interrupt that is answered */
  readonly request_id: string;
  /** the run's only name; chosen by a client, its idempotency key */
  readonly run_id: string;
}

/** Repeat an ended run: ``run.retry``; over HTTP without ``run_id``, which stands in the path. */
export interface RunRetryCommand {
  readonly from_seq?: number | null;
  /** comes back in the reply */
  readonly id?: unknown;
  /** the run's only name; chosen by a client, its idempotency key */
  readonly new_run_id?: string;
  readonly op: "run.retry";
  /** the run's only name; chosen by a client, its idempotency key */
  readonly run_id: string;
}

/** The same on a command socket: ``run.send``. */
export interface RunSendCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  /** a text, or another JSON value but null */
  readonly message: unknown;
  /** the run's only name; chosen by a client, its idempotency key */
  readonly message_id?: string;
  readonly op: "run.send";
  /** the run's only name; chosen by a client, its idempotency key */
  readonly run_id: string;
}

/** Start a run: the body of ``POST /v1/runs`` and of ``run.start``. */
export interface RunStartCommand {
  readonly agent: string;
  /** comes back in the reply */
  readonly id?: unknown;
  /** what to do while the thread has a run that has not ended */
  readonly if_busy?: IfBusy;
  readonly input?: unknown;
  readonly limits?: RunLimits;
  readonly on_disconnect?: "cancel" | "continue";
  readonly op: "run.start";
  readonly priority?: Priority;
  /** the run's only name; chosen by a client, its idempotency key */
  readonly run_id?: string;
  /** the conversation */
  readonly thread_id?: string;
  readonly timeout_s?: number;
  readonly webhook?: StartWebhook;
}

/** Where a run is in its life. */
export type RunStatus = "CANCELLED" | "FAILED" | "QUEUED" | "RUNNING" | "SUCCEEDED" | "WAITING";

/** Name a run: ``run.cancel`` and ``run.unfollow``. */
export interface RunUnfollowCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "run.unfollow";
  /** the run's only name; chosen by a client, its idempotency key */
  readonly run_id: string;
}

/** Whom to tell of one run's end; ``secret_name`` is the name of a webhook of the user whose secret signs it. */
export interface StartWebhook {
  readonly secret_name?: string | null;
  /** where a run's end is POSTed to */
  readonly url: string;
}

/** A move of the run's life (protocol, L4). */
export interface StateData {
  readonly attempt: number;
  readonly error?: FailureData;
  /** Unix milliseconds */
  readonly not_before_ms?: number;
  readonly reason?: string;
  readonly result?: unknown;
  readonly status: RunStatus;
  readonly usage?: Readonly<Record<string, unknown>>;
  readonly verdict?: Verdict;
}

/** An entry of the log: the run moved. */
export interface StateEntry {
  readonly data: StateData;
  readonly run_id: string;
  /** place in the run's log, from 1 */
  readonly seq: number;
  /** Unix milliseconds */
  readonly ts_ms: number;
  readonly type: "state";
}

/** Text is put in where the cursor is, as a paste does. */
export interface TextInput {
  readonly kind: "text";
  readonly text: string;
}

/** Name a conversation: ``thread.follow`` and ``thread.unfollow``. */
export interface ThreadFollowCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "thread.follow";
  /** the conversation */
  readonly thread_id: string;
}

/** Name a conversation: ``thread.follow`` and ``thread.unfollow``. */
export interface ThreadUnfollowCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "thread.unfollow";
  /** the conversation */
  readonly thread_id: string;
}

/** What a test run that was carried through found. */
export type Verdict = "failed" | "passed";

/** Who controls the browser of a run that is viewed; sent when that changes. ``lease_s``: seconds until a person's
 *     control ends unless they go on. */
export interface View {
  readonly control: ControlState;
  readonly holder?: string;
  readonly lease_s?: number;
  readonly run_id: string;
  readonly type: "view";
  readonly view: number;
}

/** Stop seeing it: ``view.close``. */
export interface ViewCloseCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "view.close";
  /** as the reply to view.open gave it */
  readonly view: number;
}

/** Take the browser from the agent, or give it back: ``view.control``. */
export interface ViewControlCommand {
  readonly action: "give" | "take";
  /** comes back in the reply */
  readonly id?: unknown;
  readonly op: "view.control";
  /** as the reply to view.open gave it */
  readonly view: number;
}

/** A view has ended with its run. */
export interface ViewEnd {
  readonly run_id: string;
  readonly status: RunStatus;
  readonly type: "view_end";
  readonly view: number;
}

/** Use the page, while one holds control: ``view.input``. */
export interface ViewInputCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly input: MouseInput | WheelInput | KeyInput | TextInput;
  readonly op: "view.input";
  /** as the reply to view.open gave it */
  readonly view: number;
}

/** See what a run's browser shows: ``view.open``. ``name`` is what others are told of who looks. */
export interface ViewOpenCommand {
  /** comes back in the reply */
  readonly id?: unknown;
  readonly name?: string;
  readonly op: "view.open";
  /** the run's only name; chosen by a client, its idempotency key */
  readonly run_id: string;
}

/** One of the follower's own waiting runs. */
export interface WaitingRun {
  /** why it waits although its turn may have come */
  readonly blocked?: string;
  /** seconds until it starts; only where it follows from measured times */
  readonly eta_s?: number;
  /** place among all runs that wait, from 1 */
  readonly position: number;
  readonly run_id: string;
}

/** The wheel is turned with the mouse there. */
export interface WheelInput {
  /** CSS pixels to scroll */
  readonly dx?: number;
  /** CSS pixels to scroll */
  readonly dy?: number;
  readonly kind: "wheel";
  /** CSS pixels of the viewport */
  readonly x: number;
  /** CSS pixels of the viewport */
  readonly y: number;
}

/** Everything that a server sends. */
export type AnyFrame = Batch | Connected | End | EventEntry | Heartbeat | Hello | Pong | Queue | QueueOverview | Reply | Reset | RunMoved | StateEntry | View | ViewEnd;

/** Everything that a client may ask. */
export type AnyCommand = AuthCommand | PingCommand | QueueFollowCommand | QueueUnfollowCommand | RunCancelCommand | RunFollowCommand | RunRespondCommand | RunRetryCommand | RunSendCommand | RunStartCommand | RunUnfollowCommand | ThreadFollowCommand | ThreadUnfollowCommand | ViewCloseCommand | ViewControlCommand | ViewInputCommand | ViewOpenCommand;
