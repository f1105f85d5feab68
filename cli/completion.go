package cli

import (
	"bytes"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// scriptCommands adapts the commands that print completion scripts to the scheme, and makes the bash script
// work without the package bash-completion.
func scriptCommands(root *cobra.Command) {
	var printed bytes.Buffer // cobra's commands print here
	root.SetOut(&printed)
	root.InitDefaultCompletionCmd()
	root.SetOut(nil)
	at, _, err := root.Find([]string{"completion"})
	if err != nil || at == root {
		return
	}
	at.Short = "Print a script that completes commands in a shell"
	at.Long = `Print a script that completes commands, flags, presets, keys and values of settings, and runs
in a shell. The help of each subcommand says how to load it.`
	at.Example = `  source <(fasternet-train completion bash)
  fasternet-train completion zsh > "${fpath[1]}/_fasternet-train"
  fasternet-train completion fish > ~/.config/fish/completions/fasternet-train.fish`
	for _, shell := range at.Commands() {
		run := shell.RunE
		shell.Short = "Print the completion script for " + shell.Name()
		shell.Long = strings.Replace(
			strings.Replace(shell.Long, "Generate the autocompletion script", "Print the completion script", 1),
			packageNote,
			"",
			1,
		)
		shell.RunE = func(c *cobra.Command, args []string) error {
			printed.Reset()
			if err := run(c, args); err != nil {
				return err
			}
			script := printed.String()
			if c.Name() == "bash" {
				script = withoutPackage(c.Root().Name(), script)
			}
			if wantsJSON() {
				return printJSON(struct {
					Shell  string `json:"shell"`
					Script string `json:"script"`
				}{c.Name(), script})
			}
			_, err := os.Stdout.WriteString(script) // ours
			return err
		}
	}
}

// packageNote is a note of cobra that is not true for our bash script.
const packageNote = `This script depends on the 'bash-completion' package.
If it is not installed already, you can install it via your OS's package manager.

`

// byReference calls a function of the package bash-completion in cobra's script.
const byReference = `_get_comp_words_by_ref "$@" cur prev words cword`

// withoutPackage makes the bash script independent of the package bash-completion: bash splits words at = and
// :, and a function of that package joins them again.
func withoutPackage(program, script string) string {
	return strings.Replace(script, byReference, `if declare -F _get_comp_words_by_ref >/dev/null; then
        `+byReference+`
    else
        __`+program+`_words
    fi`, 1) + `
# Join the words that bash has cut at = and :, if the package bash-completion is missing.
__` + program + `_words()
{
    local line=${COMP_LINE} i word
    words=()
    cword=0
    for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 0)) && [[ $line != [[:blank:]]* ]]; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        line=${line#*"$word"}
        if ((i == COMP_CWORD)); then
            cword=$((${#words[@]} - 1))
        fi
    done
    cur=${words[cword]}
    prev=
    if ((cword > 0)); then
        prev=${words[cword - 1]}
    fi
}
`
}
