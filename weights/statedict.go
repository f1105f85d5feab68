package weights

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nlpodyssey/gopickle/types"
)

// The keys under which training programs keep weights, best first.
var (
	stateKeys = []string{"state_dict", "model", "model_ema"}
	emaKeys   = []string{"state_dict_ema", "model_ema", "ema_state_dict"}
)

type entry struct {
	key   string
	value any
}

// entries lists a dict's entries with text as key. It is nil for anything else.
func entries(v any) []entry {
	var all []entry
	add := func(k, v any) {
		key, ok := k.(string)
		if !ok {
			return
		}
		all = append(all, entry{key, v})
	}
	switch d := v.(type) {
	case *types.Dict:
		for _, e := range *d {
			add(e.Key, e.Value)
		}
	case *types.OrderedDict:
		for e := d.List.Front(); e != nil; e = e.Next() {
			o := e.Value.(*types.OrderedDictEntry)
			add(o.Key, o.Value)
		}
	}
	return all
}

// state finds the state dict in the object of a file and reads its tensors.
func (f *torchFile) state(container string, root any, o Options) (*State, error) {
	s := &State{Container: container}
	switch v := root.(type) {
	case *types.Dict, *types.OrderedDict:
	case *inert:
		return nil, fmt.Errorf("it holds an object of class %s, which is code: want a state dict, as torch.save(model.state_dict(), …) writes", v.name)
	default:
		return nil, errors.New("it holds no state dict: want one, as torch.save(model.state_dict(), …) writes")
	}
	all := entries(root)
	wanted := stateKeys
	if o.EMA {
		wanted = emaKeys
	}
	for _, key := range wanted {
		i := slices.IndexFunc(all, func(e entry) bool { return e.key == key })
		if i < 0 || entries(all[i].value) == nil {
			continue
		}
		for j, e := range all {
			if j != i {
				s.Ignored = append(s.Ignored, short(e.key))
			}
		}
		s.Key, all = key, entries(all[i].value)
		break
	}
	if o.EMA && s.Key == "" {
		return nil, fmt.Errorf("it holds %w (--ema): none of the keys %s", ErrNoEMA, strings.Join(emaKeys, ", "))
	}
	budget := f.size + spareElements
	for _, e := range all {
		v, ok := e.value.(*view)
		if !ok {
			s.Ignored = append(s.Ignored, short(e.key))
			continue
		}
		t, err := f.tensor(e.key, v, &budget)
		if err != nil {
			return nil, err
		}
		s.Tensors = append(s.Tensors, t)
	}
	s.Ignored = append(s.Ignored, f.inert...)
	return s, nil
}
