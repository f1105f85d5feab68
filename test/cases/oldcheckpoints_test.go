package cases

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"fasternet/checkpoints"
	"fasternet/formats"
)

// oldRun is a run of an earlier version; testdata/old/README.md says how it was made.
type oldRun struct {
	name, config string
	command      string  // writes the model's answers to the validation images
	loss         float64 // training loss of the third epoch
	evalLoss     float64
	state        string // SHA-256 of all tensors at the end: weights, averages, optimizer
}

var oldRuns = []oldRun{
	{
		name: "fasternet", command: "predict",
		config: `model:
  {name: fasternet, embed_dim: 8, depths: [1, 1], feature_dim: 16, patch_size: 4, patch_stride: 4,
   layer_scale_init_value: 0.1, drop_path_rate: 0.2}
optim: {opt: lamb, lr: 0.005}
ema: {decay: 0.9, warmup: true}
augment: {mixup: 0.2, cutmix: 1}
`,
		loss: 1.0959856808185577, evalLoss: 1.0984442436258532,
		state: "660ea46d1c1e32b9fc33093b154c2e4efacb6eff27b6f4177bcea5e7441af0f5",
	},
	{
		name: "vit", command: "predict",
		config: `model:
  {name: vit, embed_dim: 12, depth: 2, num_heads: 3, patch_size: 8, global_pool: false, pos_embed: sincos,
   drop_path_rate: 0.2}
optim: {lr: 0.002, layer_decay: 0.8, weight_decay_on: no-1d-positions}
augment: {rand_augment: rand-m9-mstd0.5-inc1, erasing: {prob: 0.5, mode: pixel}}
`,
		loss: 1.069259911775589, evalLoss: 1.0250365902021625,
		state: "16e397c04eced7406e0a80d5b06a55282dcd9bd13c655021bd0d66dd1fdaa719",
	},
	{
		name: "swin", command: "predict",
		config: `model:
  {name: swin, embed_dim: 8, depths: [2, 1], num_heads: [1, 2], mlp_ratio: 2, patch_size: 4, window_size: 2,
   drop_path_rate: 0.2}
optim: {opt: sgd, lr: 0.02, clip_grad: 1}
train: {grad_checkpointing: true, accum_steps: 2}
`,
		loss: 0.726587325334549, evalLoss: 0.6257366635962944,
		state: "2f0c4f404c0b75353f8112edfcaa74566b7533f10d12d6a966fa88026118c9d8",
	},
	{
		name: "localmim_swin", command: "features",
		config: `task: localmim
model: {name: swin, embed_dim: 8, depths: [2, 1], num_heads: [1, 2], mlp_ratio: 2, patch_size: 4, window_size: 2}
mim: {decoder_dim: [4], decoder_heads: 2, decoder_mlp_ratio: 2, picture_interval: 0}
optim: {lr: 0.002}
`,
		loss: 0.5966518968343735, evalLoss: 0.5829655157449918,
		state: "89ca403d401272d245056abc2a2a70cb6d42d619fafefd245dd483f6b21b80f7",
	},
}

const oldSettings = `threads: 1
data: {name: imagefolder, dir: base, image_size: 32, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}
sched: {warmup_epochs: 0}
log: {tensorboard: false}
`

// write writes the configuration and the images of a run.
func (r oldRun) write(f folder) {
	f.t.Helper()
	f.imageFolders("base", []string{"cat", "dog", "fox"}, 8, 2)
	text := r.config
	if !strings.Contains(text, "train: {") {
		text += "train: {}\n"
	}
	f.write("old.yaml", []byte(oldSettings+strings.Replace(text, "train: {", "train: {epochs: 3, batch_size: 6, ", 1)))
}

// lastEpoch returns the losses of the last epoch in the log of a run.
func (f folder) lastEpoch(run string) (loss, evalLoss float64) {
	f.t.Helper()
	lines := bytes.Split(bytes.TrimSpace(f.read(run+"/log.jsonl")), []byte("\n"))
	var last struct {
		Kind     string
		Epoch    int
		Loss     float64
		EvalLoss float64 `json:"eval_loss"`
	}
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.Kind != "epoch" || last.Epoch != 3 {
		f.t.Fatalf("%v: the log ends with %s, want the third epoch", err, lines[len(lines)-1])
	}
	return last.Loss, last.EvalLoss
}

// stateOf returns the SHA-256 of all tensors of a checkpoint, in the order of their names.
func stateOf(t *testing.T, path string) string {
	t.Helper()
	file, err := checkpoints.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(file.Tensors, func(a, b formats.Tensor) int { return strings.Compare(a.Name, b.Name) })
	h := sha256.New()
	for _, x := range file.Tensors {
		h.Write([]byte(x.Name))
		for _, values := range []any{x.F32, x.I64} {
			if err := binary.Write(h, binary.LittleEndian, values); err != nil {
				t.Fatal(err)
			}
		}
		if len(x.F32)+len(x.I64) == 0 && !slices.Contains(x.Shape, 0) {
			t.Fatalf("%s: tensor %s has values of type %v: want float32 or int64", path, x.Name, x.DType)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// A run of an earlier version gives the same bits today: the logits of images, and the next epoch of
// training with its whole state.
func TestOldCheckpoints(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the values come from amd64: other processors round products and sums together, or have another exp")
	}
	t.Setenv("FASTERNET_KERNELS", "go")
	for _, r := range oldRuns {
		t.Run(r.name, func(t *testing.T) {
			f := newFolder(t)
			r.write(f)
			old, err := os.ReadFile(filepath.Join("../../testdata/old", r.name+".safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			f.write("run/checkpoints/last.safetensors", old)

			flag := map[string]string{"predict": "--logits", "features": "--out"}[r.command]
			f.run(r.command, "base/val", "--model", "run/checkpoints/last.safetensors", flag,
				"says.safetensors").exits(0)
			want, got := stateOf(t, filepath.Join("../../testdata/old", r.name+".says.safetensors")),
				stateOf(t, f.file("says.safetensors"))
			if want != got {
				t.Errorf("%s: the model says something else of the images than it did", r.command)
			}

			f.run("train", "old.yaml", "--run", "run", "--resume").exits(0).
				hides("images have changed", "but the run has")
			loss, evalLoss := f.lastEpoch("run")
			if loss != r.loss || evalLoss != r.evalLoss {
				t.Errorf("the losses of the next epoch are %v in training and %v in evaluation, want %v and %v",
					loss, evalLoss, r.loss, r.evalLoss)
			}
			if state := stateOf(t, f.file("run/checkpoints/last.safetensors")); state != r.state {
				t.Errorf("the tensors at the end have the sum %s, want %s", state, r.state)
			}
		})
	}
}
