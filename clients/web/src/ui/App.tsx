/** The page: its gate, its frame, and what the address asks for. */

import { route } from "../app/router";
import { open, signIn } from "../app/store";
import { arrival } from "../app/visit";
import { Banner, Problem } from "./Banner";
import { navShown } from "./chrome";
import { Help } from "./Help";
import { Home } from "./Home";
import { Icon } from "./Icon";
import { Lazy } from "./Lazy";
import { RunPage } from "./RunPage";
import { ServerPage } from "./ServerPage";
import { Sidebar } from "./Sidebar";
import { SignIn } from "./SignIn";
import { VisitPage } from "./VisitPage";

export function App() {
  if (arrival) return <VisitPage />;
  if (signIn.value !== "in") return <SignIn />;
  const session = open.value;
  return (
    <div class="frame">
      <Sidebar />
      {navShown.value && <button class="veil" aria-label="Close the list" onClick={() => (navShown.value = false)} />}
      <div class="main">
        <button class="button icon-only nav-button" aria-label="Conversations" onClick={() => (navShown.value = true)}><Icon name="menu" /></button>
        <Banner />
        <Problem />
        {session ? <RunPage key={session.runId} session={session} /> : <Page />}
      </div>
      <Help />
    </div>
  );
}

function Page() {
  const to = route.value;
  switch (to.page) {
    case "server":
      return <ServerPage />;
    case "tests":
    case "test":
    case "new_test":
      return <Lazy load={loadTests} />;
    default:
      return <Home />;
  }
}

const loadTests = () => import("./tests/TestsPage").then((loaded) => loaded.TestsPage);
