package cli

import (
	"fmt"
	"strings"

	"fasternet/model"

	"github.com/spf13/cobra"
)

// startFlags choose the weights of --from, with the same flags as other commands. Here they set keys of the
// configuration.
type startFlags struct {
	load     model.LoadOptions
	ema, old bool
}

func (f *startFlags) register(c *cobra.Command) {
	registerLoad(c, &f.load, &f.ema)
	for _, name := range []string{"weights", "state-key", "allow-missing", "allow-nan"} {
		flag := c.Flags().Lookup(name)
		flag.Usage = "of --from: " + flag.Usage + " (from_" + strings.ReplaceAll(name, "-", "_") + ")"
	}
	c.Flags().BoolVar(&f.old, "from-ema", true, "")
	_ = c.Flags().MarkDeprecated("from-ema", "use --weights plain instead of --from-ema=false") // the flag exists
}

// settings returns the settings for the flags.
func (f *startFlags) settings(c *cobra.Command) (all []string, err error) {
	flags := c.Flags()
	if flags.Changed("from-ema") && !f.old && !flags.Changed("weights") && !f.ema {
		f.load.Weights = "plain"
		all = append(all, "from_weights=plain")
	}
	if err := resolveLoad(&f.load, f.ema); err != nil {
		return nil, err
	}
	if flags.Changed("weights") || f.ema {
		all = append(all, "from_weights="+string(f.load.Weights))
	}
	if flags.Changed("state-key") {
		all = append(all, "from_state_key="+quoted(f.load.StateKey))
	}
	if flags.Changed("allow-missing") {
		all = append(all, fmt.Sprintf("from_allow_missing=%v", f.load.AllowMissing))
	}
	if flags.Changed("allow-nan") {
		all = append(all, fmt.Sprintf("from_allow_nan=%v", f.load.AllowNaN))
	}
	return all, nil
}
