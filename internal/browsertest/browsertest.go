// Package browsertest drives a real Chromium in tests.
//
// [Open] starts Debian's /usr/bin/chromium, headless and with a profile of its
// own, and shows one page. A test acts as a person does: it clicks what it can
// see by its words or by data-test, types keys, and waits until words appear.
// A click is refused when something else lies over the element, so that a
// covered button is found as a bug. Console errors, uncaught exceptions and
// breaches of the content security policy fail the test at its end.
//
//	p := browsertest.Open(t, url, browsertest.Till)
//	p.ClickTest("pay")
//	p.See("Change")
//	p.Screenshot("change.png")
//
// Without Chromium the test fails when CI=true and is skipped otherwise. Waiting
// is done inside of the page, frame by frame, for at most [Patience]; nothing
// here sleeps.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Chromium is where Debian's package puts the browser.
const Chromium = "/usr/bin/chromium"

// Patience is how long one step waits for what it wants to see. Longer than any
// honest answer of a till takes, so that a slow machine is not a failure.
const Patience = 20 * time.Second

// Size is a screen: CSS pixels, and whether fingers touch it.
type Size struct {
	Width, Height int64
	Touch         bool
}

// The screens that pages are looked at on.
var (
	Phone  = Size{390, 844, true}
	Tablet = Size{1024, 768, true}
	Till   = Size{1366, 768, false}
)

// Page is one page in a browser of its own. Its methods fail the test instead
// of returning errors; they are called from the test's goroutine only.
type Page struct {
	t       testing.TB
	ctx     context.Context
	touches int

	mu       sync.Mutex // guards problems and allowed
	problems []string
	allowed  []string
}

// Open starts a browser at the size and waits until the page has loaded. The
// browser ends with the test.
func Open(t testing.TB, url string, size Size) *Page {
	t.Helper()
	need(t)
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), flags(t)...)
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithErrorf(ignore))
	p := &Page{t: t, ctx: ctx}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the process, so that its profile can be removed
		cancel()
		cancelAlloc()
		p.report()
	})
	chromedp.ListenTarget(ctx, p.heard)
	p.do("start chromium", log.Enable())
	p.Resize(size)
	p.Go(url)
	return p
}

// ignore drops what chromedp says about events that its protocol file does not
// know yet; what the page complains about comes through heard.
func ignore(string, ...any) {}

func need(t testing.TB) {
	t.Helper()
	if _, err := os.Stat(Chromium); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: apt-get install chromium", Chromium)
	}
	t.Skipf("%s is missing (apt-get install chromium): story not run", Chromium)
}

func flags(t testing.TB) []chromedp.ExecAllocatorOption {
	return []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(Chromium),
		chromedp.UserDataDir(filepath.Join(t.TempDir(), "profile")),
		chromedp.Flag("headless", true),
		chromedp.Flag("no-sandbox", true),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-first-run", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("lang", "en"),
		chromedp.WSURLReadTimeout(time.Minute),
	}
}

// heard keeps what the browser complains about.
func (p *Page) heard(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.problem(e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError {
			p.problem("console: " + words(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			p.problem(fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

func words(args []*runtime.RemoteObject) string {
	var b strings.Builder
	for _, a := range args {
		b.Write(a.Value)
		b.WriteString(a.Description)
		b.WriteByte(' ')
	}
	return b.String()
}

func (p *Page) problem(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, text)
}

// Allow names a part of a complaint that the story brings about on purpose, such
// as "ERR_CONNECTION_REFUSED" where the node is killed.
func (p *Page) Allow(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = append(p.allowed, part)
}

func (p *Page) report() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range p.problems {
		if !p.expected(text) {
			p.t.Errorf("the browser complained: %s", text)
		}
	}
}

func (p *Page) expected(text string) bool {
	for _, part := range p.allowed {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// do runs actions and fails the test, with a picture, if one does not succeed.
func (p *Page) do(what string, actions ...chromedp.Action) {
	p.t.Helper()
	if err := p.try(actions...); err != nil {
		p.t.Fatalf("%s: %v\n%s", what, err, p.evidence())
	}
}

// try runs actions under Patience. The first use must not carry a deadline: it
// starts the browser, which would end with it.
func (p *Page) try(actions ...chromedp.Action) error {
	if chromedp.FromContext(p.ctx).Target == nil {
		return chromedp.Run(p.ctx, actions...)
	}
	ctx, cancel := context.WithTimeout(p.ctx, Patience+5*time.Second)
	defer cancel()
	return chromedp.Run(ctx, actions...)
}

// evidence is what the page shows, for the message of a failed step.
func (p *Page) evidence() string {
	var text string
	if err := p.try(chromedp.Evaluate(`document.body.innerText.slice(0, 1500)`, &text)); err != nil {
		return "(the page gives no text: " + err.Error() + ")"
	}
	return "the page shows:\n" + text
}

// Go loads the address.
func (p *Page) Go(url string) {
	p.t.Helper()
	p.do("go to "+url, chromedp.Navigate(url))
}

// Reload loads the page again.
func (p *Page) Reload() {
	p.t.Helper()
	p.do("reload", chromedp.Reload())
}

// Resize changes the screen.
func (p *Page) Resize(s Size) {
	p.t.Helper()
	p.do("resize",
		emulation.SetDeviceMetricsOverride(s.Width, s.Height, 1, s.Touch && s.Width < 800),
		emulation.SetTouchEmulationEnabled(s.Touch))
}

// Dark says which colours the system prefers.
func (p *Page) Dark(dark bool) {
	p.t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	p.do("prefer "+value, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}))
}

// Click touches the visible element that carries exactly these words, as its
// text or its label; failing that, and if they are more than two characters, the
// one that begins with them.
func (p *Page) Click(words string) {
	p.t.Helper()
	p.click("click "+words, fmt.Sprintf(`byWords(%q)`, words))
}

// ClickTest touches the visible element with this data-test.
func (p *Page) ClickTest(name string) {
	p.t.Helper()
	p.click("click data-test "+name, fmt.Sprintf(`byTest(%q)`, name))
}

// Touches counts the clicks since it was last asked.
func (p *Page) Touches() int {
	n := p.touches
	p.touches = 0
	return n
}

func (p *Page) click(what, find string) {
	p.t.Helper()
	var at struct{ X, Y float64 }
	p.wait(what, find+` && place(`+find+`)`, &at)
	p.touches++
	p.do(what,
		input.DispatchMouseEvent(input.MousePressed, at.X, at.Y).WithButton(input.Left).WithClickCount(1),
		input.DispatchMouseEvent(input.MouseReleased, at.X, at.Y).WithButton(input.Left).WithClickCount(1))
}

// See waits until the words stand somewhere on the page, visibly.
func (p *Page) See(words string) {
	p.t.Helper()
	p.wait("see "+words, fmt.Sprintf(`shown(%q)`, words), nil)
}

// SeeTest waits until the element with this data-test is visible.
func (p *Page) SeeTest(name string) {
	p.t.Helper()
	p.wait("see data-test "+name, fmt.Sprintf(`!!byTest(%q)`, name), nil)
}

// Gone waits until the words are not seen any more.
func (p *Page) Gone(words string) {
	p.t.Helper()
	p.wait("no more "+words, fmt.Sprintf(`!shown(%q)`, words), nil)
}

// GoneTest waits until no visible element has this data-test.
func (p *Page) GoneTest(name string) {
	p.t.Helper()
	p.wait("no more data-test "+name, fmt.Sprintf(`!byTest(%q)`, name), nil)
}

// Text is the visible text of the element with this data-test.
func (p *Page) Text(name string) string {
	p.t.Helper()
	p.SeeTest(name)
	var text string
	p.Eval(fmt.Sprintf(`byTest(%q).innerText`, name), &text)
	return text
}

// Until waits until the JavaScript expression is true.
func (p *Page) Until(expression string) {
	p.t.Helper()
	p.wait("until "+expression, expression, nil)
}

// Eval evaluates JavaScript into out, with [Page]'s own finders in reach.
func (p *Page) Eval(expression string, out any) {
	p.t.Helper()
	p.do("evaluate "+expression, chromedp.Evaluate(`(() => {`+finders+` return (`+expression+`) })()`, out))
}

// Fill puts the text into the field with this name, as typing does.
func (p *Page) Fill(field, text string) {
	p.t.Helper()
	find := fmt.Sprintf(`[...top_().querySelectorAll('[name=%[1]q],[data-test=%[1]q]')].find(visible)`, field)
	p.wait("field "+field, find+` && (`+find+`.focus(), `+find+`.select(), true)`, nil)
	p.do("fill "+field, input.InsertText(text))
}

// Choose selects the option with this value in the list with this name.
func (p *Page) Choose(field, value string) {
	p.t.Helper()
	p.do("choose "+value, chromedp.SetValue(fmt.Sprintf(`select[name=%q]`, field), value, chromedp.ByQuery),
		chromedp.Evaluate(fmt.Sprintf(`document.querySelector('select[name=%q]').dispatchEvent(new Event('change', {bubbles: true}))`, field), nil))
}

// Type types characters wherever the focus is, quickly, as a scanner does.
func (p *Page) Type(text string) {
	p.t.Helper()
	p.do("type "+text, chromedp.KeyEvent(text))
}

// scanner types a text and Enter into the page within one turn of its event
// loop: faster than any scanner, and as fast on a busy machine.
const scanner = `((text) => {
  for (const key of [...text, 'Enter']) {
    const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true });
    const free = (document.activeElement ?? document.body).dispatchEvent(event);
    if (free && key !== 'Enter') document.execCommand('insertText', false, key);
  }
})`

// Scan types a code and Enter: a keyboard-wedge scanner. Unlike Type it makes the
// key events inside of the page, since their pauses are what tells a scanner from a person.
func (p *Page) Scan(code string) {
	p.t.Helper()
	p.do("scan "+code, chromedp.Evaluate(fmt.Sprintf("%s(%q)", scanner, code), nil))
}

// Press presses one key by its name in github.com/chromedp/chromedp/kb, such as
// kb.F9 or kb.Escape.
func (p *Page) Press(key string) {
	p.t.Helper()
	p.do("press a key", chromedp.KeyEvent(key))
}

// Screenshot writes what is seen as a PNG to the path.
func (p *Page) Screenshot(path string) {
	p.t.Helper()
	var png []byte
	p.do("picture "+path, chromedp.Evaluate(`document.getAnimations().forEach((a) => { try { a.finish() } catch {} })`, nil),
		chromedp.ActionFunc(func(ctx context.Context) (err error) {
			png, err = page.CaptureScreenshot().WithFormat(page.CaptureScreenshotFormatPng).Do(ctx)
			return err
		}))
	if err := os.WriteFile(path, png, 0o644); err != nil {
		p.t.Fatalf("picture: %v", err)
	}
}

// wait polls the expression on every frame until it is true (or an object), and
// decodes it into out.
func (p *Page) wait(what, expression string, out any) {
	p.t.Helper()
	if out == nil {
		out = new(any)
	}
	poll := chromedp.PollFunction(`() => {`+finders+` return (`+expression+`) || false }`, out,
		chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(Patience))
	p.do(what, chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			if err := poll.Do(ctx); !leftBehind(err) || ctx.Err() != nil {
				return err
			}
		}
	}))
}

// leftBehind reports whether the page that was looked at loaded itself anew: then the
// one that came is looked at. These are Chromium's words.
func leftBehind(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "Cannot find context") || strings.Contains(err.Error(), "target navigated") ||
		strings.Contains(err.Error(), "context was destroyed"))
}

// finders are the functions that find elements as people do: by what is seen.
const finders = `
const visible = (e) => {
  const r = e.getBoundingClientRect();
  return r.width > 0 && r.height > 0 && e.checkVisibility({ visibilityProperty: true }) && !e.closest('[inert]');
};
const top_ = () => { const open = [...document.querySelectorAll('dialog[open]')]; return open.at(-1) ?? document; };
const said = (e) => (e.getAttribute('aria-label') ?? e.innerText ?? '').replace(/\s+/g, ' ').trim();
const byTest = (name) => [...document.querySelectorAll('[data-test="' + name + '"]')].find(visible) ?? null;
const byWords = (words) => {
  const all = [...top_().querySelectorAll('button, a, summary, label, input, select, [role="button"]')].filter(visible);
  const exact = all.find((e) => said(e) === words);
  return exact ?? (words.length > 2 ? all.find((e) => said(e).startsWith(words)) : null) ?? null;
};
const shown = (words) => document.body.innerText.replace(/\s+/g, ' ').includes(words);
const place = (e) => {
  if (e.disabled) return null;
  e.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' });
  const r = e.getBoundingClientRect();
  const x = r.x + r.width / 2, y = r.y + r.height / 2;
  const hit = document.elementFromPoint(x, y);
  return hit && (e.contains(hit) || hit.contains(e)) ? { X: x, Y: y } : null;
};
`
