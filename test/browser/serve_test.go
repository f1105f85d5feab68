package browser_test

import (
	"path/filepath"
	"testing"
	"time"

	"fasternet/infer"
	"fasternet/internal/modeltest"
	"fasternet/internal/serve"
)

// drop drops an image on the page, like a hand, under a name.
const drop = `new Promise((done) => {
	const canvas = document.createElement("canvas");
	canvas.width = canvas.height = 64;
	const c = canvas.getContext("2d");
	c.fillStyle = "teal";
	c.fillRect(8, 8, 30, 40);
	canvas.toBlob((blob) => {
		const data = new DataTransfer();
		data.items.add(new File([window.bad ? blob.slice(0, 60) : blob], "scene.png", {type: "image/png"}));
		document.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
		done(true);
	});
}); true`

// The page of serve names the classes of a dropped image, says what is wrong with a damaged one, and
// asks for the token if there is one.
func TestServePage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pets.safetensors")
	modeltest.WriteTo(t, path, modeltest.Families[0])
	start := func(token string) string {
		s, err := serve.New(serve.Options{
			Models:    []serve.Named{{Name: "pets", Path: path}, {Name: "more", Path: path}},
			MaxBody:   1 << 20,
			MaxBodies: 1 << 24,
			Queue:     8,
			Timeout:   time.Minute,
			TopK:      3,
			Token:     token,
			Open: func(path string) (*infer.Model, error) {
				return infer.Open(path, infer.Threads(1))
			}, Log: t.Logf,
		})
		if err != nil {
			t.Fatal(err)
		}
		n, err := serve.Listen("127.0.0.1:0", "", "", s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Stop(t.Context()) })
		return "http://" + n.Address() + "/"
	}
	ctx, w := tab(t, start(""))
	wait(t, ctx, `document.querySelectorAll("#model option").length === 2`)
	eval[bool](t, ctx, drop)
	wait(t, ctx, `document.querySelectorAll("article li").length === 3`)
	line := eval[string](t, ctx, `document.querySelector("article").textContent`)
	found := false
	for _, c := range modeltest.Classes {
		found = found || eval[bool](t, ctx, `document.querySelector("li span").textContent === "`+c+`"`)
	}
	if !found || !eval[bool](t, ctx, `/network [0-9.]+ ms/.test(document.querySelector("small").textContent)`) {
		t.Errorf("the page says %q", line)
	}
	look(t, ctx, "serve")
	w.check(t)

	guarded, _ := tab(t, start("s3cret")) // its refusals count as errors
	wait(t, guarded, `!document.getElementById("ask").hidden`)
	eval[bool](t, guarded,
		`(() => { const e = document.getElementById("token"); e.value = "s3cret"; `+
			`e.dispatchEvent(new Event("change")); return true; })()`)
	wait(t, guarded, `document.querySelectorAll("#model option").length === 2`)
	eval[bool](t, guarded, `window.bad = true`)
	eval[bool](t, guarded, drop)
	wait(t, guarded, `/truncated|image/.test(document.querySelector(".error")?.textContent ?? "")`)
}
