package viz

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/png"
	"io"

	"fasternet/internal/printable"
)

// WriteHTML writes a page in one file: it contains the pictures and has no scripts.
func (s *Sheet) WriteHTML(w io.Writer) error {
	if err := pageTemplate.Execute(printable.NewWriter(w), s); err != nil {
		return fmt.Errorf("viz: page: %w", err)
	}
	return nil
}

// inline encodes a picture as a data: address.
func inline(m image.Image) (template.URL, error) {
	var b bytes.Buffer
	b.WriteString("data:image/png;base64,")
	to := base64.NewEncoder(base64.StdEncoding, &b)
	if err := png.Encode(to, m); err != nil {
		return "", err
	}
	if err := to.Close(); err != nil {
		return "", err
	}
	return template.URL(b.String()), nil //nolint:gosec // made here
}

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"inline": inline,
}).Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
<style>
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 1.5em auto; padding: 0 1em;
  overflow-wrap: anywhere }
h2 { margin: 2em 0 0; padding-top: .6em; border-top: 1px solid #8886; font-size: 1.2em }
h3 { margin: 1em 0 .3em; font-size: 1em }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(9.5em, 45%), 1fr)); gap: .8em }
figure { margin: 0 }
img { width: 100%; height: auto; display: block; border-radius: 3px }
figcaption { font-size: .87em; opacity: .85; margin-top: .2em }
ul { padding-left: 1.2em }
</style>
<h1>{{.Title}}</h1>
<ul>
{{range .Notes}}<li>{{.}}</li>
{{end}}</ul>
{{range .Entries}}{{$name := .Name}}<section>
<h2>{{.Name}}</h2>
{{range .Groups}}{{$group := .Title}}{{with .Title}}<h3>{{.}}</h3>
{{end}}<div class="panels">
{{range .Panels}}<figure><img width="{{.Image.Bounds.Dx}}" height="{{.Image.Bounds.Dy}}"
alt="{{or .Title .Caption}}{{with $group}}, {{.}}{{end}}: {{$name}}" src="{{inline .Image}}">
<figcaption>{{with .Title}}{{.}}<br>{{end}}{{with .Caption}}{{.}}{{end}}
{{range .Lines}}<br>{{.}}{{end}}</figcaption></figure>
{{end}}</div>
{{end}}</section>
{{end}}</html>
`))
