package cli

import (
	"strings"

	"fasternet/internal/printable"

	"github.com/spf13/cobra"
)

// commandsIntro is the text of docs/reference/commands.md before its table.
const commandsIntro = `# Commands

Look up all commands here, the flags that they share, and the exit codes. ` + "`fasternet-train COMMAND --help`" + `
and the manual pages (` + "`fasternet-train man COMMAND | man -l -`, `man --out FOLDER`" + `) have all flags of a
command, with examples. ` + "`fasternet-train man --markdown`" + ` prints this page.

All commands follow one scheme:

- **MODEL** comes first: the folder of a run (its best checkpoint), a checkpoint, an export (.safetensors, .onnx),
  or weights of PyTorch. ` + "`summary`, `bench` and `export`" + ` also take a preset or a YAML file. ` +
	"`--model MODEL`" + ` says the
  same. **RUN** is the folder of a run, **CONFIG** a preset or a YAML file, **DATASET** a folder, a preset, a YAML file
  or ` + "`fashion-mnist`" + `.
- **` + "`--set key=value`" + `** changes a setting, as often as you like; the keys are [the keys of the YAML](keys.md).
- **` + "`--json`" + `** prints the result as one JSON object, alone on standard output. Everything else goes to
  standard error. Epochs and steps count from 1, as in messages.
- **` + "`--quiet`" + `** prints only warnings and errors, on standard error.
- **` + "`--dry-run`" + `** does everything up to the work: it checks the settings, opens the model and the data, says
  what it would compute and write, and writes nothing.
- **` + "`--out`" + `** names the file to write. A file gets its name only when it is whole.
- **Exit codes**: 0 success; 1 the work failed, or a check found something wrong; 2 wrong usage or configuration, found
  before any work; 130, 143 and 129 stopped by SIGINT, SIGTERM or SIGHUP; 141 the reader of the output has ended.
- For a command, flag, preset or key that does not exist, the error proposes the most likely one.
- ` + "`fasternet-train completion bash|zsh|fish|powershell`" + ` prints a script that completes commands, flags,
  presets, keys, values and runs.

`

// commandsPage returns docs/reference/commands.md: the scheme, and all commands in one table.
func commandsPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(commandsIntro)
	b.WriteString("| command | what it does | `--json` | `--quiet` | `--dry-run` | `--set` | `--out` |\n")
	b.WriteString("|---|---|---|---|---|---|---|\n")
	for _, c := range everyCommand(root) {
		if !c.HasParent() || c.HasAvailableSubCommands() && argumentsOf(c) == "" { // prints its help
			continue
		}
		line := strings.TrimSpace(strings.TrimPrefix(c.CommandPath(), root.Name()) + " " + argumentsOf(c))
		has := func(flag string) string {
			if f := c.Flag(flag); f != nil && !f.Hidden {
				return "✓"
			}
			return ""
		}
		out := has("json")
		if c.Parent().Name() == "completion" || c.Name() == "help" { // text that a shell or a person reads
			out = ""
		}
		about := strings.ReplaceAll(c.Short, "|", `\|`)
		printable.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n",
			line, about, out, has("quiet"), has("dry-run"), has("set"), has("out"))
	}
	return b.String()
}
