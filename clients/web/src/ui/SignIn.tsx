/** What a visitor without a session sees: what to do, and a field for a token. */

import { useSignal } from "@preact/signals";
import icon from "../assets/favicon.svg";
import { signIn, signInProblem, signInWithToken } from "../app/store";

export function SignIn() {
  const token = useSignal("");
  const busy = useSignal(false);
  if (signIn.value === "checking") return <main class="gate" aria-busy="true"><p class="quiet">Signing in…</p></main>;
  const submit = async (event: Event) => {
    event.preventDefault();
    busy.value = true;
    try {
      await signInWithToken(token.value);
    } finally {
      busy.value = false;
      token.value = "";
    }
  };
  return (
    <main class="gate">
      <div class="gate-card">
        <h1><img src={icon} alt="" width="36" height="36" />Runwire</h1>
        {signInProblem.value && <p class="problem" role="alert">{signInProblem.value}</p>}
        <p><strong>Open the link that the server printed</strong> when it started. It looks like this and works once:</p>
        <pre class="sample">{`${location.origin}/login#code=…`}</pre>
        <form onSubmit={submit}>
          <label for="token">Or paste an access token</label>
          <div class="gate-row">
            <input id="token" type="password" autocomplete="off" spellcheck={false} required value={token.value}
              onInput={(event) => (token.value = event.currentTarget.value)} />
            <button class="button primary" type="submit" disabled={busy.value}>Sign in</button>
          </div>
          <p class="quiet">The first token lies in the server's data folder, in the file <code>token</code>.</p>
        </form>
      </div>
    </main>
  );
}
