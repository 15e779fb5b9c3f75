// The shell: the bar on top, who is signed in, and which page an address shows.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { lazy, LocationProvider, Route, Router, useLocation } from "preact-iso";
import "./style/tokens.css";
import "./style/base.css";
import "./style/shell.css";
import "./style/waterfall.css";
import "./style/explorer.css";
import "./style/unmatched.css";
import "./style/setup.css";
import { getPage, loadMe, me, signInReason, signOut } from "./base/api";
import { clockTime, count, zone, zoneName } from "./base/format";
import { liveState } from "./base/live";
import { announcement, Loading, Problem, Title } from "./base/parts";
import { singleKeys, startSettings, theme, type Theme } from "./base/settings";
import { Icon, Outside } from "./base/text";
import { unmatchedCount, watchUnmatched } from "./base/unmatched";
import { SignInForm } from "./pages/sign-in";

const Calls = lazy(() => import("./pages/calls"));
const Call = lazy(() => import("./pages/call"));
const Traces = lazy(() => import("./pages/traces"));
const Trace = lazy(() => import("./pages/trace"));
const Unmatched = lazy(() => import("./pages/unmatched"));
const Keys = lazy(() => import("./pages/keys"));
const Setup = lazy(() => import("./pages/setup"));

const LINKS: [string, string][] = [["/calls", "Calls"], ["/traces", "Traces"], ["/unmatched", "Unmatched"], ["/setup", "Set-up"]];
const THEMES: [Theme, string][] = [["system", "As the system"], ["light", "Light"], ["dark", "Dark"]];

function Menu() {
  const { route } = useLocation();
  const leave = async () => {
    await signOut();
    route("/sign-in");
  };
  return (
    <details class="menu">
      <summary class="button plain small"><Icon name="menu" /><span class="menu-word">Menu</span></summary>
      <div class="menu-box stack">
        {LINKS.map(([href, name]) => <a key={href} href={href} class="narrow-only"><PageName href={href} name={name} /></a>)}
        <a href="/keys">Keys</a>
        <fieldset><legend class="label">Theme</legend>
          {THEMES.map(([value, name]) => (
            <label key={value} class="row"><input type="radio" name="theme" checked={theme.value === value}
              onChange={() => { theme.value = value; }} />{name}</label>
          ))}
        </fieldset>
        <button type="button" class="button" onClick={leave}><Icon name="log-out" />Sign out</button>
      </div>
    </details>
  );
}

/** Whether what is shown follows what happens, as text. Right after the start nothing is claimed yet. */
function LiveWord() {
  const [isEarly, setEarly] = useState(true);
  useEffect(() => {
    const timer = setTimeout(() => setEarly(false), 3000);
    return () => clearTimeout(timer);
  }, []);
  const { isLive, lastAt } = liveState.value;
  if (isLive) return <span class="live">Live</span>;
  return isEarly ? null : <span class="live lost">Reconnecting, <span class="wide-only">last </span>update {clockTime(lastAt)}</span>;
}

/** "Unmatched 3": what waits for its call. */
function PageName({ href, name }: { href: string; name: string }) {
  const known = href === "/unmatched" ? unmatchedCount.value : null;
  if (!known || known.count === 0) return <>{name}</>;
  return <>{name} <span class="count">{count(known.count)}{known.isComplete ? "" : "+"}</span></>;
}

function Help() {
  return (
    <details class="menu wide-only">
      <summary class="button plain small"><Icon name="circle-help" />Help</summary>
      <div class="menu-box stack help-menu">
        <p>Tab goes from control to control, Enter opens a row. In the filters Backspace takes the last one back.</p>
        <p>The rows of a call or trace have single keys; press ? there to see them.</p>
        <label class="row"><input type="checkbox" checked={singleKeys.value} onChange={(event) => { singleKeys.value = event.currentTarget.checked; }} />Single keys</label>
        <a href="/setup">Set-up</a>
        <a href="/openapi.yaml" target="_blank" rel="noreferrer">Description of the API</a>
      </div>
    </details>
  );
}

function Bar() {
  const { path } = useLocation();
  useEffect(() => watchUnmatched(), []);
  return (
    <header class="topbar">
      <a class="brand" href="/calls">calltrace</a>
      <nav class="wide-only" aria-label="Pages">
        {LINKS.map(([href, name]) => <a key={href} href={href} aria-current={path.startsWith(href) ? "page" : undefined}><PageName href={href} name={name} /></a>)}
      </nav>
      <span class="topbar-rest">
        {me.value ? <Outside text={me.value.defaultProject.name} most={40} class="project" /> : null}
        <LiveWord />
        <button type="button" class="button plain small" title="Switch between local time and UTC"
          onClick={() => { zone.value = zone.value === "utc" ? "local" : "utc"; }}>{zoneName()}</button>
        <Help />
        <Menu />
      </span>
    </header>
  );
}

function NotFound() {
  return <div class="page stack"><Title text="Not found" /><p>There is no page at this address. <a href="/calls">Calls</a></p></div>;
}

/** The calls; the set-up while the project has nothing to show. */
function Start() {
  const { route } = useLocation();
  useEffect(() => {
    const isEmpty = async (path: string): Promise<boolean> => (await getPage<unknown>(`${path}?limit=1`)).data.length === 0;
    Promise.all([isEmpty("/v1/conversations"), isEmpty("/v1/traces")]).then((empty) => route(empty.every(Boolean) ? "/setup" : "/calls", true),
      () => route("/calls", true));
  }, []);
  return null;
}

function SignInPage() {
  const { query, route } = useLocation();
  const next = query["next"] ?? "";
  // Only an address of these pages: never another host's.
  const goOn = () => route(/^\/(?![/\\])/.test(next) ? next : "/", true);
  return <main class="page" id="main"><SignInForm onDone={goOn} /></main>;
}

function Pages() {
  return (
    <Router>
      <Route path="/" component={Start} />
      <Route path="/calls" component={Calls} />
      <Route path="/calls/:id/:tab?" component={Call} />
      <Route path="/chats/:id/:tab?" component={Call} />
      <Route path="/traces" component={Traces} />
      <Route path="/traces/:id" component={Trace} />
      <Route path="/unmatched" component={Unmatched} />
      <Route path="/keys" component={Keys} />
      <Route path="/setup/:source?" component={Setup} />
      <Route default component={NotFound} />
    </Router>
  );
}

/** A session that ends keeps the page and its unsent input; the form lies over it. */
function SessionEnded() {
  return (
    <div class="over" role="dialog" aria-modal="true" aria-label="Sign in"><SignInForm onDone={() => { signInReason.value = null; }} /></div>
  );
}

function Shell() {
  const { path, url, route } = useLocation();
  const [failure, setFailure] = useState<unknown>(null);
  const isSignIn = path === "/sign-in";
  useEffect(() => { loadMe().then(() => setFailure(null), setFailure); }, []);
  useEffect(() => {
    if (me.value === null && !isSignIn) route(`/sign-in?next=${encodeURIComponent(url)}`, true);
  }, [me.value, isSignIn]);
  if (failure) return <div class="page"><Problem failure={failure} again={() => { loadMe().then(() => setFailure(null), setFailure); }} /></div>;
  if (isSignIn) return <SignInPage />;
  if (!me.value) return <div class="page"><Loading /></div>;
  return (
    <>
      <a class="skip" href="#main">Skip to the page</a>
      {path === "/calls" || path === "/traces" ? <><a class="skip" href="#filters">Skip to the filters</a><a class="skip" href="#rows">Skip to the rows</a></> : null}
      <Bar />
      <main id="main"><Pages /></main>
      {signInReason.value ? <SessionEnded /> : null}
      <div class="hidden-text" role="status" aria-live="polite">{announcement.value}</div>
    </>
  );
}

startSettings();
render(<LocationProvider><Shell /></LocationProvider>, document.getElementById("app")!);
