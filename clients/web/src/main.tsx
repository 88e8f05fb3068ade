/** Begins the page. */

import "./styles/base.css";
import "./styles/frame.css";
import "./styles/run.css";
import "./styles/live.css";
import "./styles/tests.css";
import "./styles/share.css";
import { render } from "preact";
import { describe } from "./app/api";
import { begin, problem } from "./app/store";
import { App } from "./ui/App";
import { watchKeys } from "./ui/keys";

const root = document.getElementById("app");
if (!root) throw new Error("index.html has no #app");
render(<App />, root);
watchKeys();
begin().catch((error: unknown) => (problem.value = describe(error)));
