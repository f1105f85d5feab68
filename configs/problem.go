package configs

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Problem is an impossible value, with its key.
type Problem struct {
	key, text string
	others    []string
}

type problem = Problem

// Wrong makes a problem with a key, e.g. "model.depths". The text says what is wanted and what was found; the
// place in the file is added later.
func Wrong(key, format string, args ...any) *Problem {
	return &Problem{key: key, text: fmt.Sprintf(format, args...)}
}

func wrong(key, format string, args ...any) *problem { return Wrong(key, format, args...) }

// With names other keys or sections that a problem involves. If one of them is wrong itself, this
// problem is not reported.
func (p *Problem) With(keys ...string) *Problem {
	p.others = append(p.others, keys...)
	return p
}

func (p *problem) with(keys ...string) *problem { return p.With(keys...) }

// First returns the first problem, or nil.
func First(ps ...*Problem) *Problem { return first(ps...) }

// AtLeast checks that a number is least or more.
func AtLeast(key string, v, least int) *Problem { return atLeast(key, v, least) }

// Within checks that a number is from lo to hi.
func Within(key string, v, lo, hi float64) *Problem { return within(key, v, lo, hi) }

// OneOf checks that a text is one of the options.
func OneOf(key, v string, options ...string) *Problem { return oneOf(key, v, options...) }

func first(ps ...*problem) *problem {
	for _, p := range ps {
		if p != nil {
			return p
		}
	}
	return nil
}

func atLeast(key string, v, least int) *problem {
	record(key, from(float64(least)))
	if v < least {
		return wrong(key, "want %d or more, got %d", least, v)
	}
	return nil
}

func within(key string, v, lo, hi float64) *problem {
	record(key, between(lo, hi))
	if v < lo || v > hi {
		return wrong(key, "want a number from %v to %v, got %v", lo, hi, v)
	}
	return nil
}

func oneOf(key, v string, options ...string) *problem {
	record(key, Domain{Options: options, Least: math.Inf(-1), Most: math.Inf(1)})
	if slices.Contains(options, v) {
		return nil
	}
	return wrong(key, "want %s, got %q%s", strings.Join(options, " or "), v, suggest(v, options))
}

// Checks of keys that several families have.

// CheckHidden checks that model.mlp_ratio leaves a hidden channel of model.embed_dim.
func CheckHidden(embedDim int, ratio float64) *Problem {
	record("model.mlp_ratio", positive())
	if ratio <= 0 || int(float64(embedDim)*ratio) < 1 {
		return wrong("model.mlp_ratio", "want a number above 0 that leaves a hidden channel or more, got %v", ratio).
			with("model.embed_dim")
	}
	return nil
}

// CheckDepths checks model.depths, the number of blocks of each stage.
func CheckDepths(depths []int, example string) *Problem {
	d := from(1)
	d.Fewest = 1
	record("model.depths", d)
	if len(depths) < 1 {
		return wrong("model.depths", "want the number of blocks for 1 to %d stages, e.g. %s, got no stages",
			mostStages, example)
	}
	for i, d := range depths {
		if d < 1 {
			return wrong("model.depths", "want 1 block or more per stage, stage %d has %d", i+1, d)
		}
	}
	return nil
}

// Doubling returns the channels of stages that double from stage to stage.
func Doubling(embedDim, stages int) []int {
	dims := make([]int, stages)
	for i := range dims {
		dims[i] = embedDim << i
	}
	return dims
}

// CheckDoubling checks that the channels of the last stage are within the limit.
func CheckDoubling(embedDim, stages int) *Problem {
	if embedDim<<(max(stages, 1)-1) > mostChannels {
		return wrong("model.embed_dim", "%d channels double to %d in the last of %d stages: want %d or less there",
			embedDim, embedDim<<(stages-1), stages, mostChannels).
			with("model.depths")
	}
	return nil
}

// CheckHeads checks that the channels of a stage, counted from 0, can be divided among the heads.
func CheckHeads(heads, stage, dim int) *Problem {
	record("model.num_heads", from(1))
	if heads < 1 || dim%heads != 0 {
		return wrong("model.num_heads", "want a divisor of the %d channels of stage %d, got %d", dim, stage+1, heads).
			with("model.embed_dim", "model.depths")
	}
	return nil
}
