package cli

import (
	"runtime"
	"runtime/debug"
	"strings"

	"fasternet/collective/mpi"
	"fasternet/configs"
	"fasternet/internal/printable"
	"fasternet/kernels"

	"github.com/spf13/cobra"
)

// version is set by the linker in a release.
var version = "development"

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version, the kernels in use, and the model families",
		Example: "  fasternet-train version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var all []string
			for _, v := range kernels.Available() {
				all = append(all, string(v))
			}
			bf16 := "none"
			if p := kernels.Default().BF16(); p != "" {
				bf16 = string(p)
			}
			if refused := kernels.Default().BF16Refusals(); len(refused) > 0 {
				bf16 += " (" + strings.Join(refused, "; ") + ")"
			}
			if wantsJSON() {
				return printJSON(struct {
					Version    string   `json:"version"`
					Go         string   `json:"go"`
					Platform   string   `json:"platform"`
					Processor  string   `json:"processor"`
					Processors int      `json:"processors"` // in use
					Kernels    string   `json:"kernels"`
					Available  []string `json:"available"` // kernels
					BF16       string   `json:"bf16"`
					MPI        string   `json:"mpi"`
					Models     []string `json:"models"`
				}{
					version + revision(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, kernels.CPU(),
					runtime.GOMAXPROCS(0),
					string(kernels.Default().Variant()), all, bf16, mpi.Describe(), configs.FamilyNames(),
				})
			}
			_, err := printable.Printf("fasternet-train %s%s\n%s %s/%s\nprocessor: %s, %d in use\n"+
				"kernels: %s (available: %s; %s forces one)\nbf16: %s; %s forces a path\nmpi: %s\nmodels: %s\n",
				version, revision(),
				runtime.Version(), runtime.GOOS, runtime.GOARCH,
				kernels.CPU(), runtime.GOMAXPROCS(0),
				kernels.Default().Variant(), strings.Join(all, ", "), kernels.EnvVariable,
				bf16, kernels.BF16Variable,
				mpi.Describe(),
				strings.Join(configs.FamilyNames(), ", "))
			return err
		},
	}
}

// revision returns the commit that the program was built from, if known.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return " (" + s.Value[:12] + ")"
		}
	}
	return ""
}
