// Package browser_test opens the report of runs in headless Chromium, like on a phone and on a desk,
// in light and in dark mode, and while a run goes on. It is another module because it needs a browser
// and a library to drive it, which the product does not need: scripts/test-report.sh runs it.
package browser_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image/png"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"fasternet/internal/patience"
)

var (
	keep  = flag.String("keep", "", "folder for the screenshots, to look at them")
	pages = flag.String("pages", "", "files of further pages to look at, separated by commas")
)

// browser is nil if there is no Chromium.
var browser context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(start(m))
}

func start(m *testing.M) int {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		fmt.Println("SKIPPED: there is no Chromium, so the report was not tested (Debian: apt-get install chromium)")
		return 0
	}
	profile, err := os.MkdirTemp("", "chromium-profile")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(profile)
	allocator, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.Headless, chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.WSURLReadTimeout(patience.Limit),    // its first start on a machine may be slow
		chromedp.Flag("disable-dev-shm-usage", true), // it is small in containers
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("hide-scrollbars", true))
	defer cancel()
	var stop context.CancelFunc
	browser, stop = chromedp.NewContext(allocator)
	defer stop()
	if err := chromedp.Do(browser); err != nil {
		fmt.Println("Chromium does not start:", err)
		return 1
	}
	return m.Run()
}

// watcher notes forbidden actions of a page.
type watcher struct {
	mu       sync.Mutex
	own      string // the address that it may load
	problems []string
	requests int
}

func (w *watcher) event(e any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventExceptionThrown:
		w.problems = append(w.problems, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		w.problems = append(w.problems, fmt.Sprintf("console.%s with %d values", e.Type, len(e.Args)))
	case *log.EventEntryAdded:
		w.problems = append(w.problems, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case *network.EventRequestWillBeSent:
		w.requests++
		u := e.Request.URL
		if !strings.HasPrefix(u, "data:") && !strings.HasPrefix(strings.TrimPrefix(u, "blob:"), w.own) {
			w.problems = append(w.problems, "request: "+u)
		}
	}
}

// tab opens a page in a new tab.
func tab(t *testing.T, address string) (context.Context, *watcher) {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	w := &watcher{own: address}
	do(t, ctx, chromedp.Navigate("about:blank"))
	if err := chromedp.Listen(ctx, w.event); err != nil {
		t.Fatal(err)
	}
	ask(t, ctx, network.Enable, network.EnableParams{})
	ask(t, ctx, log.Enable, cdp.Empty{})
	ask(t, ctx, runtime.Enable, cdp.Empty{})
	do(t, ctx, chromedp.Navigate(address))
	return ctx, w
}

func do(t *testing.T, ctx context.Context, step chromedp.Action[chromedp.Void]) {
	t.Helper()
	value(t, ctx, step)
}

// value returns the result of an action.
func value[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// eval returns the value of an expression in the page.
func eval[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	return value(t, ctx, chromedp.Evaluate[T](expression))
}

// wait waits until an expression in the page is true.
func wait(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	seldom := time.NewTicker(100 * time.Millisecond) // the browser has other work
	defer seldom.Stop()
	if !patience.For(func() bool { <-seldom.C; return eval[bool](t, ctx, expression) }) {
		t.Fatalf("never true: %s\nthe page: %s",
			expression, eval[string](t, ctx, `document.body.innerText.slice(0, 600)`))
	}
}

func ask[P, R any](t *testing.T, ctx context.Context, c cdp.Command[P, R], p P) {
	t.Helper()
	if _, err := chromedp.Call(ctx, c, p); err != nil {
		t.Fatal(err)
	}
}

func (w *watcher) check(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.problems {
		t.Error(p)
	}
}

// look takes pictures at both widths in both modes, and checks that the page fits its width and changes
// its colours.
func look(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := *keep
	if dir == "" {
		dir = t.TempDir()
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int64{390, 1280} {
		grounds := map[string]bool{}
		for _, scheme := range []string{"light", "dark"} {
			ask(t, ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
				Width:             width,
				Height:            900,
				DeviceScaleFactor: 1,
				Mobile:            width < 500,
			})
			ask(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			wide := eval[int64](t, ctx, `document.documentElement.scrollWidth`)
			ground := eval[string](t, ctx, `getComputedStyle(document.body).backgroundColor`)
			shoot := chromedp.CaptureScreenshot() // of the window
			if *keep != "" {
				shoot = chromedp.FullScreenshot(100)
			}
			picture := value(t, ctx, shoot)
			if wide > width {
				t.Errorf("%s is %d pixels wide on a screen of %d", name, wide, width)
			}
			grounds[ground] = true
			if m, err := png.DecodeConfig(bytes.NewReader(picture)); err != nil || m.Height < 900 {
				t.Errorf("the picture of %s: %+v, %v", name, m, err)
			}
			path := filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme))
			if err := os.WriteFile(path, picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if len(grounds) != 2 {
			t.Errorf("%s has one colour in light and dark mode: %v", name, grounds)
		}
	}
}

// fileURL returns the address of a file.
func fileURL(t *testing.T, path string) string {
	t.Helper()
	absolute, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "file", Path: absolute}).String()
}

// checkPage checks a page, and the values that it shows under the pointer.
func checkPage(t *testing.T, path, name string) {
	t.Helper()
	ctx, w := tab(t, fileURL(t, path))
	look(t, ctx, name)
	sections := eval[int](t, ctx, `document.querySelectorAll("section").length`)
	broken := eval[int](t, ctx, `[...document.images].filter((i) => i.complete && i.naturalWidth === 0).length`)
	tip := eval[string](t, ctx, `(() => {
		const area = document.querySelector(".area"), box = area.getBoundingClientRect();
		area.dispatchEvent(new PointerEvent("pointermove", {
			bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + 5}));
		return document.querySelector(".tip:not([hidden])").textContent;
	})()`)
	if sections < 3 || broken > 0 || !strings.HasPrefix(tip, "epoch ") {
		t.Errorf("%d sections, %d broken pictures, under the pointer %q", sections, broken, tip)
	}
	w.check(t)
	if w.requests == 0 {
		t.Error("not one request was seen, not even for the page: nothing watches them")
	}
}
