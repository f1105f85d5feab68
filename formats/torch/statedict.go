package torch

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fasternet/formats"

	"github.com/nlpodyssey/gopickle/types"
)

type entry struct {
	key   string
	value any
}

// entries lists the entries of a dict that have text as key, or the entries of a list by number.
// It returns nil for anything else.
func entries(v any) []entry {
	var all []entry
	add := func(k, v any) {
		key, ok := k.(string)
		if !ok {
			return
		}
		all = append(all, entry{key, v})
	}
	list := func(values []any) {
		for i, v := range values[:min(len(values), maxListed)] {
			all = append(all, entry{strconv.Itoa(i), v})
		}
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
	case *types.List:
		list(*d)
	case *types.Tuple:
		list(*d)
	}
	return all
}

// Limits of the search for dictionaries of tensors.
const (
	maxListed = 64   // values of a list
	maxDepth  = 6    // dictionaries inside each other
	maxSearch = 4096 // dictionaries in all
)

// search finds the dictionaries of tensors in the object of a file.
type search struct {
	file    *torchFile
	seen    map[any]bool
	budget  int64
	swapped bool // state_dict has the averaged weights, as Lightning's callback for averages saves it
	sets    []set
	code    []string // objects of classes that cannot be read, and where they are
}

func (s *search) walk(key string, v any, depth int) {
	if s.seen[v] || len(s.seen) > maxSearch || depth > maxDepth {
		return
	}
	s.seen[v] = true
	found := set{key: key}
	all := entries(v)
	for _, e := range all {
		inner := strings.TrimPrefix(key+"."+e.key, ".")
		switch x := e.value.(type) {
		case *view:
			read := func() (formats.Tensor, error) { return s.file.tensor(e.key, x, &s.budget) }
			found.items = append(found.items, item{e.key, x.shape, read})
			continue
		case *types.Dict, *types.OrderedDict, *types.List, *types.Tuple:
			s.walk(inner, x, depth+1)
		case *inert:
			if x.tensor() {
				refuse := func() (formats.Tensor, error) { return formats.Tensor{}, x.unread(inner) }
				found.items = append(found.items, item{e.key, nil, refuse})
				continue
			}
			s.code = append(s.code, fmt.Sprintf("%s is an object of class %s", formats.Short(inner), x.name))
		}
		found.left = append(found.left, formats.Short(e.key))
	}
	if len(found.items) > 0 && len(s.sets) < maxSets {
		found.averaged = s.swapped && key == "state_dict"
		s.sets = append(s.sets, found)
	}
}

// state finds the state dict in the object of a file and reads its tensors.
func (f *torchFile) state(container string, root any, o Options) (*State, error) {
	switch v := root.(type) {
	case *types.Dict, *types.OrderedDict, *types.List, *types.Tuple:
	case *inert:
		return nil, fmt.Errorf("it holds an object of class %s, which is code: "+
			"want a state dict, as torch.save(model.state_dict(), …) writes", v.name)
	default:
		return nil, errors.New("it holds no state dict: want one, as torch.save(model.state_dict(), …) writes")
	}
	s := search{file: f, seen: map[any]bool{}, budget: f.size + spareElements}
	top := entries(root)
	s.swapped = slices.ContainsFunc(top, func(e entry) bool { return e.key == "averaging_state" }) &&
		slices.ContainsFunc(top, func(e entry) bool { return e.key == "current_model_state" })
	s.walk("", root, 0)
	state, err := take(container, s.sets, o)
	if err != nil {
		return nil, err
	}
	if len(state.Tensors) == 0 {
		for _, e := range top {
			state.Ignored = append(state.Ignored, formats.Short(e.key))
		}
		if len(s.code) > 0 {
			classes := strings.Join(s.code[:min(3, len(s.code))], ", ")
			return nil, fmt.Errorf("there are no tensors in this %s that can be read: %s, which is code: "+
				"save its state_dict() instead", container, classes)
		}
	}
	if state.Key != "" { // list what is next to the dictionary
		first, _, _ := strings.Cut(state.Key, ".")
		var skipped []string
		for _, e := range top {
			if e.key != first {
				skipped = append(skipped, formats.Short(e.key))
			}
		}
		state.Ignored = append(skipped, state.Ignored...)
	}
	state.Ignored = append(state.Ignored, f.inert...)
	return state, nil
}

// take chooses one of the sets of a file and reads its tensors.
func take(container string, sets []set, o Options) (*State, error) {
	chosen, others, err := choose(sets, o)
	if err != nil {
		return nil, err
	}
	s := &State{
		Container: container,
		Key:       chosen.key,
		Prefix:    chosen.prefix,
		Averaged:  chosen.averaged,
		Others:    others,
		Family:    chosen.family,
		Naming:    chosen.naming,
		Ignored:   chosen.left,
	}
	if s.Naming == "" {
		s.Naming = Official
	}
	for _, x := range chosen.items {
		t, err := x.read()
		if err != nil {
			return nil, err
		}
		t.Name = x.name
		s.Tensors = append(s.Tensors, t)
	}
	return s, nil
}
