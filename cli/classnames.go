package cli

import (
	"fmt"
	"strings"

	"fasternet/configs"
	"fasternet/data/classes"
	"fasternet/data/sets"
	"fasternet/model"
)

// classNames returns the names of a model's classes. If it has none, data.classes may give them; if it has some, both
// lists are compared. The note says what is unusual.
func (f *modelFlags) classNames(m *model.Loaded, c *configs.Config) (names []string, note string, err error) {
	asked := f.load.Config != ""
	for _, s := range f.load.Settings {
		asked = asked || strings.HasPrefix(s, "data.classes=")
	}
	if !asked || c.Data.Classes == "" {
		return m.Classes, "", nil
	}
	listed, err := sets.ClassNames(c.Data)
	if err != nil {
		return nil, "", err
	}
	match := classes.Compare(listed, m.Classes)
	if match.Kind == classes.Unnamed {
		if len(listed) != m.Model.Classes() {
			return nil, "", usageError{fmt.Errorf("data.classes: %s has %d names, the model %d classes",
				c.Data.Classes, len(listed), m.Model.Classes())}
		}
		return listed, "", nil
	}
	if note, err = match.Judge("data.classes", "the model"); err != nil {
		return nil, "", usageError{err}
	}
	return m.Classes, note, nil
}
