package cli

import (
	"fmt"
	"strings"

	"fasternet/internal/printable"
	"fasternet/internal/reference"
	"fasternet/internal/verify"

	"github.com/spf13/cobra"
)

func verifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify PATH...",
		Short: "Check that checkpoints, exports and runs are undamaged",
		Long: `Check each PATH: the folder of a run, a checkpoint, an export (.safetensors, .onnx), an array
(.npy), a packed data set (.pack), weights of PyTorch (.pth, .pt, .ckpt, .bin, .safetensors), or a
folder of timm.

It checks the structure, the checksum if there is one, the shapes of the tensors against the
configuration, and that all values are finite. It changes nothing.

Standard output gets a line for every file: ok and its content, or what is wrong with it and what
can be saved. --json prints one object, with a part for each PATH. The exit code is 1 if anything
is wrong.`,
		Example: `  fasternet-train verify runs/quickstart
  fasternet-train verify runs/*/checkpoints/best.safetensors quickstart.onnx
  fasternet-train verify --json runs/quickstart`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			wrong := 0
			all := verify.Report{Path: strings.Join(args, " "), Kind: fmt.Sprintf("%d paths", len(args))}
			for _, path := range args {
				path, err := reference.Resolve(path)
				if err != nil {
					return err
				}
				r, err := verify.Path(path)
				if err != nil {
					return err
				}
				if !r.OK() {
					wrong++
				}
				all.Parts = append(all.Parts, r)
				for _, part := range append(r.Parts, r) {
					if _, err := printable.Println(part); err != nil {
						return err
					}
				}
			}
			if wantsJSON() {
				if len(args) == 1 {
					all = all.Parts[0]
				}
				if err := printJSON(all); err != nil {
					return err
				}
			}
			if wrong > 0 {
				return fmt.Errorf("%d of %d are damaged", wrong, len(args))
			}
			return nil
		},
	}
	takesModel(c)
	return c
}
