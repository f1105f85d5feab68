package configs_test

import (
	"fmt"
	"strings"
	"testing"

	"fasternet/configs"
)

type goodArch struct {
	Width int   `yaml:"width"`
	Sizes []int `yaml:"sizes" longest:"2"`
	Most  int   `yaml:"most_of_it" most:"7"`
}

func (goodArch) Check(configs.Model) *configs.Problem { return nil }

type wrong[T any] struct{ goodArch }

type (
	hiddenField struct {
		width int `yaml:"width"` //nolint:unused // deliberately wrong
	}
	fieldWithoutKey  struct{ Width int }
	fieldOfOtherType struct {
		Width float32 `yaml:"width"`
	}
	fieldOfAll struct {
		Width int `yaml:"in_chans"`
	}
	pointerArch struct{}
)

func (hiddenField) Check(configs.Model) *configs.Problem      { return nil }
func (fieldWithoutKey) Check(configs.Model) *configs.Problem  { return nil }
func (fieldOfOtherType) Check(configs.Model) *configs.Problem { return nil }
func (fieldOfAll) Check(configs.Model) *configs.Problem       { return nil }
func (*pointerArch) Check(configs.Model) *configs.Problem     { return nil }

// RegisterFamily finds what is wrong with a family.
func TestRegisterFamilyPanics(t *testing.T) {
	for _, c := range []struct {
		name string
		arch configs.Arch
		want string
	}{
		{"fasternet", goodArch{}, "want a new name"},
		{"", goodArch{}, "want a new name"},
		{"none", nil, "want a struct"},
		{"pointer", &pointerArch{}, "want a struct"},
		{"embedded", wrong[int]{}, "field goodArch of"},
		{"hidden", hiddenField{}, "field width of configs_test.hiddenField: want an exported field with a key"},
		{
			"keyless", fieldWithoutKey{},
			"field Width of configs_test.fieldWithoutKey: want an exported field with a key",
		},
		{"type", fieldOfOtherType{}, "is a float32: want int, float64, string, bool, or a slice of them"},
		{"taken", fieldOfAll{}, "key in_chans belongs to all models"},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), c.want) {
					t.Errorf("the panic is %v, want %q", v, c.want)
				}
			}()
			configs.RegisterFamily(configs.Family{
				Name:    c.name,
				Default: func() configs.Model { return configs.Model{Arch: c.arch} },
			})
		})
	}
}
