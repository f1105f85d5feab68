package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"fasternet/internal/hub"
	"fasternet/internal/printable"
	"fasternet/internal/reference"

	"github.com/spf13/cobra"
)

// aboutHub is the help of commands that fetch weights.
const aboutHub = `REF is a timm model on the Hugging Face hub, or the URL of a file:

  hf://ORG/NAME            hf-hub:ORG/NAME and the address of its page mean the same
  hf://ORG/NAME@REVISION   at a branch, a tag or a commit
  hf://ORG/NAME/FILE       one of several files of weights
  https://HOST/FILE        .safetensors, .onnx, .pth, .pt, .bin or .ckpt; with #sha256=… at the
                           end, the checksum is verified`

func weightsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "weights",
		Short: "Fetch pretrained weights, and list the cached ones",
		Long: `Fetch pretrained weights, and list the cached ones.

Every command or configuration that takes weights (--model, --from, from, distill.teacher) also
takes a REF, and fetches it at the first use.

` + aboutHub + `

Models of the hub are kept in the cache of Python's huggingface_hub, so a model is downloaded only
once. Its environment variables apply: HF_ENDPOINT (another hub), HF_TOKEN (for gated and private
models), HF_HUB_OFFLINE=1 (contact no host), HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME (where the cache
is), HF_HUB_DOWNLOAD_TIMEOUT; and HTTPS_PROXY, HTTP_PROXY, NO_PROXY.`,
		Example: `  fasternet-train weights fetch hf://timm/fasternet_t0.in1k
  fasternet-train weights list`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(weightsFetchCommand(), weightsListCommand())
	return c
}

func weightsFetchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "fetch REF...",
		Short: "Download weights, unless the cache has them",
		Long: `Download weights, unless the cache has them and the hub has no newer ones.

` + aboutHub + `

An interrupted download continues where it stopped. Size and checksum are compared with the hub.
If the hub does not answer, the cached weights are used, with a note.

The last line on standard output is a JSON object, whose list fetched has an object for each
REF: reference, weights (path of the file), config (path of config.json, if there is one)
and commit.`,
		Example: `  fasternet-train weights fetch hf://timm/fasternet_t0.in1k
  fasternet-train weights fetch hf://timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k@main
  fasternet-train weights fetch https://example.org/t0.pth#sha256=…`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			for _, arg := range args {
				if _, err := reference.Parse(arg); err != nil {
					return usageError{err}
				}
			}
			type fetched struct {
				Reference string `json:"reference"`
				hub.Fetched
			}
			var all []fetched
			for _, arg := range args {
				f, err := hub.Fetch(arg)
				if err != nil {
					return err
				}
				all = append(all, fetched{f.Reference.String(), f})
			}
			return printJSON(struct {
				Fetched []fetched `json:"fetched"`
			}{all})
		},
	}
}

func weightsListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List cached weights, and models on the hub to start from",
		Long: `List the weights in the caches, with their sizes, and models of the hub whose architecture
a preset has. No host is asked. Many more models of timm can be read: all FasterNets, and
the plain ViTs and Swins.`,
		Example: `  fasternet-train weights list
  fasternet-train weights list --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			contents, folders, err := hub.List()
			if err != nil {
				return err
			}
			if wantsJSON() {
				return printJSON(struct {
					hub.Contents
					Known   []hub.Model `json:"known"`
					Folders []string    `json:"folders"`
				}{contents, hub.Known, folders})
			}
			return errors.Join(listCached(os.Stdout, contents, folders), listKnown(os.Stdout))
		},
	}
}

// listCached shows the content of the caches.
func listCached(out io.Writer, contents hub.Contents, folders []string) error {
	printable.Fprintf(out, "here (%s):\n", strings.Join(folders, ", "))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	total := int64(0)
	for _, m := range contents.Models {
		version := strings.Join(m.Revisions, ", ")
		if m.Commit != "" {
			version = strings.TrimPrefix(fmt.Sprintf("%s %.12s", version, m.Commit), " ")
		}
		printable.Fprintf(w, "  %s\t%s\t%s\t%s\n", m.Reference, hub.Bytes(m.Bytes), m.Architecture, version)
		total += m.Bytes
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if n := len(contents.Models); n == 0 {
		printable.Fprintf(out, "  none\n")
	} else {
		printable.Fprintf(out, "  models: %d, together %s\n", n, hub.Bytes(total))
	}
	if contents.Others > 0 {
		printable.Fprintf(out, "  models of other programs in this cache: %d\n", contents.Others)
	}
	if contents.Incomplete > 0 {
		printable.Fprintf(out, "  interrupted downloads: %s; fetch again to continue them\n",
			hub.Bytes(contents.Incomplete))
	}
	return nil
}

// listKnown shows models on the hub.
func listKnown(out io.Writer) error {
	printable.Fprintf(out, "on the hub:\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	printable.Fprintf(w, "  model\tpreset\ttrained on\timages\tlicense\n")
	for _, m := range hub.Known {
		printable.Fprintf(w, "  %s\t%s\t%s\t%d px\t%s\n", m.Reference(), m.Preset, m.Trained, m.Size, m.License)
	}
	return w.Flush()
}
