package cli

import (
	"fmt"

	"fasternet/model"

	"github.com/spf13/cobra"
)

// startFlags say which weights --from takes: the same flags as in other commands, which
// stand for settings here.
type startFlags struct {
	load     model.LoadOptions
	ema, old bool
}

func (f *startFlags) register(c *cobra.Command) {
	registerLoad(c, &f.load, &f.ema)
	for flag, setting := range map[string]string{"weights": "from_weights", "state-key": "from_state_key", "allow-missing": "from_allow_missing", "allow-nan": "from_allow_nan"} {
		c.Flags().Lookup(flag).Usage = "of --from: " + c.Flags().Lookup(flag).Usage + " (" + setting + ")"
	}
	c.Flags().BoolVar(&f.old, "from-ema", true, "")
	_ = c.Flags().MarkDeprecated("from-ema", "take --weights plain for --from-ema=false") // the flag is there
}

// settings are what the flags stand for.
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
	for flag, value := range map[string]bool{"allow-missing": f.load.AllowMissing, "allow-nan": f.load.AllowNaN} {
		if flags.Changed(flag) {
			all = append(all, fmt.Sprintf("from_%s=%v", map[string]string{"allow-missing": "allow_missing", "allow-nan": "allow_nan"}[flag], value))
		}
	}
	return all, nil
}
