package recipe

import (
	"fmt"
	"strings"
)

// Document returns docs/defaults.md: what the rules do, and why.
func Document() string {
	var b strings.Builder
	b.WriteString(documentHead)
	b.WriteString("\n" + wrap("On this page: "+contents(), 100) + "\n")
	for _, r := range rules() {
		fmt.Fprintf(&b, "\n## %s\n\n", r.name)
		if len(r.keys) > 0 {
			fmt.Fprintf(&b, "`%s`\n\n", strings.Join(r.keys, "`, `"))
		}
		for i, p := range strings.Split(r.reason, "\n\n") {
			if i > 0 {
				b.WriteString("\n")
			}
			b.WriteString(wrap(p, 100) + "\n")
		}
	}
	return b.String()
}

// contents links to the section of each rule.
func contents() string {
	var links []string
	for _, r := range rules() {
		anchor := strings.NewReplacer(" ", "-", "(", "", ")", "", ",", "").Replace(strings.ToLower(r.name))
		links = append(links, fmt.Sprintf("[%s](#%s)", r.name, anchor))
	}
	return strings.Join(links, " · ")
}

// wrap breaks a paragraph into lines.
func wrap(text string, width int) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}

const documentHead = `# The defaults of a run without a preset

<!-- Made from the rules in train/recipe/ by its test (go test ./train/recipe -update): change it there. -->

Look up here what ` + "`fasternet-train train --data FOLDER --budget 30m`" + ` chooses for your images, and why.

The command looks at the images and times a few training steps on this machine. Then it applies the
rules on this page, in their order. It writes what they choose to ` + "`config.yaml`" + ` in the folder of the
run, with a comment on every choice. ` + "`--set`" + ` overrides any choice; later rules see what you have set.

The published presets stay as they were published: their recipes are for a million images, and a note
says so if you have few.
`
