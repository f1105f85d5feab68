package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fasternet/configs"
	"fasternet/data/sets"
	"fasternet/eval/predict"
	"fasternet/internal/hub"
	"fasternet/train"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completes adds shell completion to a command: arguments by their names in the usage, flags by their own names. So
// commands that are added later have it too.
func completes(c *cobra.Command) {
	if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 {
		c.ValidArgsFunction = completeArgument
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if _, ok := c.GetFlagCompletionFunc(f.Name); ok {
			return
		}
		if complete := flagCompletion(c, f.Name); complete != nil {
			_ = c.RegisterFlagCompletionFunc(f.Name, complete) // the flag exists, and has no completion yet
		}
	})
}

// completeArgument offers values for the next argument.
func completeArgument(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	words := strings.Fields(argumentsOf(c))
	at := len(args)
	if f := c.Flags().Lookup(modelFlag); f != nil && f.Changed {
		at++ // MODEL is the first argument
	}
	if len(words) == 0 || at >= len(words) && !strings.Contains(words[len(words)-1], "...") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	word := strings.Trim(words[min(at, len(words)-1)], "[].…")
	return completeKind(c, word, typed)
}

// takesConfig lists the commands whose MODEL may also be a preset or a YAML file.
var takesConfig = []string{"summary", "bench", "threads", "report", "export"}

// completeKind offers values for an argument by its name in the usage.
func completeKind(c *cobra.Command, word, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	switch word {
	case "CONFIG":
		return paths(append(presets(typed), files(typed, isYAML)...))
	case "DATASET":
		return paths(append(append(presets(typed), words(typed, "fashion-mnist")...), files(typed, isYAML)...))
	case "MODEL":
		all := append(runs(typed), files(typed, isWeights)...)
		if slices.Contains(takesConfig, c.Name()) {
			if c.Parent().Name() == "bench" && c.Name() == "report" {
				return paths(presets(typed))
			}
			if c.Name() != "report" {
				all = append(append(all, presets(typed)...), files(typed, isYAML)...)
			}
		}
		if len(all) == 0 {
			all = knownModels(typed)
		}
		return paths(all)
	case "REF":
		return knownModels(typed), cobra.ShellCompDirectiveNoFileComp
	case "RUN":
		return paths(append(runs(typed), files(typed, nil)...))
	case "COMMAND":
		var names []string
		for _, sub := range c.Root().Commands() {
			if sub.IsAvailableCommand() {
				names = append(names, sub.Name())
			}
		}
		return words(typed, names...), cobra.ShellCompDirectiveNoFileComp
	case "SWEEP.yaml":
		return paths(files(typed, isYAML))
	}
	return nil, cobra.ShellCompDirectiveDefault // files
}

// paths returns completions that end with a slash or an equals sign if more must be typed.
func paths(all []cobra.Completion) ([]cobra.Completion, cobra.ShellCompDirective) {
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, a := range all {
		text, _, _ := strings.Cut(a, "\t")
		if strings.HasSuffix(text, "/") || strings.HasSuffix(text, "=") {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
	}
	return all, directive
}

// words returns the words that begin with the typed text.
func words(typed string, all ...string) (found []cobra.Completion) {
	for _, w := range all {
		if strings.HasPrefix(w, typed) {
			found = append(found, w)
		}
	}
	return found
}

// knownModels returns the models of the hub that begin with the typed text, with their training data.
func knownModels(typed string) (found []cobra.Completion) {
	for _, m := range hub.Known {
		if strings.HasPrefix(m.Reference(), typed) {
			found = append(found, cobra.CompletionWithDesc(m.Reference(), m.Trained))
		}
	}
	return found
}

// presets returns the presets that begin with the typed text, with a line about each.
func presets(typed string) (found []cobra.Completion) {
	for _, name := range words(typed, configs.Presets()...) {
		about, err := configs.PresetAbout(name)
		if err != nil {
			about = ""
		}
		found = append(found, cobra.CompletionWithDesc(name, about))
	}
	return found
}

// files lists the folders, and the files for which want is true, in the typed folder. It lists hidden ones only
// after a typed dot.
func files(typed string, want func(name string) bool) (found []cobra.Completion) {
	dir, begin := filepath.Split(typed)
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, begin) || name[0] == '.' && !strings.HasPrefix(begin, ".") {
			continue
		}
		info, err := os.Stat(filepath.Join(cmp.Or(dir, "."), name)) // follows links
		switch {
		case err != nil:
		case info.IsDir():
			found = append(found, dir+name+"/")
		case want != nil && want(name):
			found = append(found, dir+name)
		}
	}
	return found
}

func isYAML(name string) bool {
	return slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(name))
}

func isWeights(name string) bool {
	return slices.Contains([]string{".safetensors", ".onnx", ".pth", ".pt", ".ckpt", ".bin"}, filepath.Ext(name))
}

// runs lists the folders of runs in runs/, or in the typed folder.
func runs(typed string) (found []cobra.Completion) {
	dir, begin := filepath.Split(typed)
	if dir == "" {
		dir, begin = configs.Default().RunDir+"/", ""
		if !strings.HasPrefix(dir, typed) {
			return nil
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), begin) && train.Holds(filepath.Join(dir, e.Name())) {
			found = append(found, cobra.CompletionWithDesc(dir+e.Name(), "run"))
		}
	}
	return found
}

// flagValues has the values of flags with few values, by "command flag" or flag.
var flagValues = map[string]func() []string{
	"weights":        func() []string { return []string{"auto", "ema", "plain"} },
	"precision":      func() []string { return configs.Precisions },
	"on-bad-image":   func() []string { return []string{"error", "skip"} },
	"split":          func() []string { return []string{"train", "val"} },
	"info split":     bothParts,
	"verify split":   bothParts,
	"pack split":     bothParts,
	"shard split":    bothParts,
	"predict format": func() []string { return predict.Formats },
	"stage": func() []string {
		return []string{predict.Pooled, "prelogits", predict.AllStages, "1", "2", "3", "4"}
	},
	"pool":         func() []string { return []string{"avg", "none"} },
	"linprobe opt": func() []string { return []string{"lars", "sgd"} },
	"naming":       namings,
	"duplicates":   func() []string { return []string{"error", "note", "off"} },
	"pack form":    func() []string { return []string{string(sets.PackJPEG), string(sets.PackDecoded)} },
	"protocol":     func() []string { return []string{throughput, paper} },
	"operators":    func() []string { return []string{"conv", "gconv", "dwconv", "pconv"} },
	"opset":        func() []string { return []string{"13", "14", "15", "16", "17"} },
	"checkpoint":   func() []string { return []string{"last", "previous", "best"} },
}

func bothParts() []string { return []string{"train", "val", "both"} }

// flagCompletion returns the completion of a flag; nil lets the shell offer files.
func flagCompletion(c *cobra.Command, name string) cobra.CompletionFunc {
	kind := func(word string) cobra.CompletionFunc {
		return func(c *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return completeKind(c, word, typed)
		}
	}
	values := flagValues[c.Name()+" "+name]
	if values == nil {
		values = flagValues[name]
	}
	switch {
	case values != nil:
		return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return words(typed, values()...), cobra.ShellCompDirectiveNoFileComp
		}
	case name == "set":
		return completeSetting
	case name == "config":
		return kind("CONFIG")
	case name == modelFlag, name == "from":
		return kind("MODEL")
	case name == "run":
		return kind("RUN")
	case name == "data", name == "dir":
		return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	}
	f := c.Flag(name)
	if t := f.Value.Type(); t != "string" && t != "bool" { // a number, not a file
		return cobra.NoFileCompletions
	}
	return nil
}

// completeSetting offers keys, and values after the equals sign.
func completeSetting(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	key, value, ok := strings.Cut(typed, "=")
	if ok {
		var found []cobra.Completion
		for _, v := range words(value, configs.ValuesOf(key)...) {
			found = append(found, key+"="+v)
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	var found []cobra.Completion
	for _, k := range configs.Keys() {
		if strings.HasPrefix(k, typed) && k != "base" {
			found = append(found, cobra.CompletionWithDesc(k+"=", configs.Explain(k)))
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
