package train

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fasternet/collective"
	"fasternet/data"
	"fasternet/internal/rng"
)

// fact is something that all ranks must share.
type fact struct{ Name, Value string }

// ownSettings may differ from rank to rank: paths, and how much a rank does at once. Only rank 0 reads the
// weights to start from.
var ownSettings = []string{
	"threads", "run_dir", "from", "from_weights", "from_state_key", "from_allow_missing", "from_allow_nan",
	"data.dir", "data.workers", "data.prefetch", "distill.teacher", "distill.config", "distill.state_key",
}

// compare returns an error unless all ranks have the same program, kernels, configuration and data. They
// would otherwise silently train something that nobody has asked for.
func (t *trainer) compare(o Options) error {
	if t.ranks.Size() == 1 {
		return nil
	}
	facts, err := t.facts(o)
	if err != nil {
		return err
	}
	text, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	texts, err := t.ranks.Gather(text)
	if err != nil {
		return err
	}
	var first []fact
	for rank, text := range texts {
		var have []fact
		if err := json.Unmarshal(text, &have); err != nil {
			return fmt.Errorf("%s: %w", t.ranks.Name(rank), err)
		}
		if rank == 0 {
			first = have
		}
		for i, f := range have {
			if i >= len(first) || f != first[i] {
				want := fact{Value: "something else"}
				if i < len(first) {
					want = first[i]
				}
				return &collective.RankError{
					Rank: rank,
					Name: t.ranks.Name(rank),
					Err: fmt.Errorf("its %s is %s, but %s has %s: all ranks need the same program, "+
						"kernels, configuration and data",
						f.Name, f.Value, t.ranks.Name(0), want.Value),
				}
			}
		}
	}
	return nil
}

func (t *trainer) facts(o Options) ([]fact, error) {
	facts := []fact{{"program", o.Program}, {"set of kernels", t.kernels()}}
	settings, err := t.config.Settings()
	if err != nil {
		return nil, err
	}
	for _, s := range settings {
		if !slices.Contains(ownSettings, s.Key) {
			facts = append(facts, fact{"setting " + s.Key, s.Value})
		}
	}
	return append(facts,
		fact{"training part of the data", listing(t.prints.Train, t.train.Classes())},
		fact{"validation part of the data", listing(t.prints.Val, t.val.Classes())}), nil
}

// listing identifies a data set by the names, labels and order of its samples, not by its place.
func listing(f *data.Fingerprint, names []string) string {
	return fmt.Sprintf("%d images in %d classes with listing %016x",
		f.Samples, len(names), rng.Hash(strings.Join(append(slices.Clone(names), f.Order), "\n")))
}
