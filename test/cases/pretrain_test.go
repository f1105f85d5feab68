package cases

import "testing"

// A pre-training with a time limit ends with an export of the encoder, which every command that needs no
// classifier takes.
func TestPretrainWithBudget(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	f.imageFolders("base", []string{"ant", "bee"}, 12, 4)
	f.write("pretrain.yaml", []byte("task: localmim\nmodel: "+tinyViT+`
mim: {taps: [1, 2], scales: [4, 0.5], decoder_dim: 16, decoder_heads: 2}
data: {name: imagefolder, dir: base, image_size: 32, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}
sched: {form: localmim, warmup_epochs: 0}
train: {epochs: 4, batch_size: 8}
log: {tensorboard: false}
`))
	var out outcome
	var encoder string
	for _, budget := range []string{"3s", "30s", "5m"} { // a slow machine needs a longer one
		encoder = "pre-" + budget + "/model.safetensors"
		if out = f.run("train", "pretrain.yaml", "--run", "pre-"+budget, "--budget", budget); out.code == 0 {
			break
		}
	}
	v := out.exits(0).json()
	if v["export"] != encoder || v["seconds"] == nil || v["loss"] == nil || v["top1"] != nil {
		t.Errorf("the last line: %v", v)
	}
	f.run("verify", encoder).exits(0).says("exported model, vit")
	f.run("knn", encoder, "--data", "base", "--k", "3").exits(0)
	f.run("eval", encoder, "--data", "base").exits(2).says("it has no classifier")
	f.config("t.yaml", tinyViT)
	f.run("train", "t.yaml", "--from", encoder, "--run", "fine", "--set", "train.epochs=1").
		exits(0).says("starting from the weights of "+encoder, "2 fresh (head.weight, head.bias)")
	// Without a time limit there is no export.
	v = f.run("train", "pretrain.yaml", "--run", "plain", "--set", "train.epochs=1").exits(0).json()
	if v["export"] != nil || v["seconds"] != nil {
		t.Errorf("the last line of a run without a budget: %v", v)
	}
}
