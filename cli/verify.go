package cli

import (
	"fmt"

	"fasternet/internal/printable"
	"fasternet/internal/verify"

	"github.com/spf13/cobra"
)

func verifyCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify PATH...",
		Short: "Check that checkpoints, exports and runs are whole",
		Long: `Check each PATH: the folder of a run, a checkpoint, an exported model (.safetensors,
.onnx), an array (.npy), a packed data set (.pack), weights of PyTorch (.pth, .pt, .ckpt, .bin, .safetensors), or a folder as timm writes it.

Checked are the structure, the checksum if there is one, the shapes of the tensors
against the configuration, and that all values are finite. Nothing is changed.

Standard output gets a line for every file: ok and what is in it, or what is wrong
with it and what can be saved. The exit code is 1 if anything is wrong.`,
		Example: `  fasternet-train verify runs/quickstart
  fasternet-train verify runs/*/checkpoints/best.safetensors quickstart.onnx
  fasternet-train verify --json runs/quickstart`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			wrong := 0
			for _, path := range args {
				r, err := verify.Path(path)
				if err != nil {
					return err
				}
				if !r.OK() {
					wrong++
				}
				if asJSON {
					if err := printJSON(r); err != nil {
						return err
					}
					continue
				}
				for _, part := range append(r.Parts, r) {
					if _, err := printable.Println(part); err != nil {
						return err
					}
				}
			}
			if wrong > 0 {
				return fmt.Errorf("%d of %d are not whole", wrong, len(args))
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object for each PATH")
	return c
}
