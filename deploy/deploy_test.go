// Package deploy_test checks the examples of this folder: the Kubernetes objects against
// what is published of their types (kubeflow.org/v2beta1 MPIJob, batch.volcano.sh/v1alpha1
// Job), the scripts against the shell, and all of them against the flags of the program.
package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// The fields that the published types have, as far as an example may use them; any other
// key is an error, as it is for the server. Pods have those of core/v1.
type (
	meta struct {
		Name, Namespace     string
		Labels, Annotations map[string]string
	}
	mpiJob struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   meta
		Spec       struct {
			SlotsPerWorker    *int32 `yaml:"slotsPerWorker"`
			MPIImplementation string `yaml:"mpiImplementation"`
			SSHAuthMountPath  string `yaml:"sshAuthMountPath"`
			WaitForWorkers    bool   `yaml:"waitForWorkers"`
			RunPolicy         struct {
				CleanPodPolicy          string `yaml:"cleanPodPolicy"`
				TTLSecondsAfterFinished *int32 `yaml:"ttlSecondsAfterFinished"`
				ActiveDeadlineSeconds   *int64 `yaml:"activeDeadlineSeconds"`
				BackoffLimit            *int32 `yaml:"backoffLimit"`
				Suspend                 *bool
			} `yaml:"runPolicy"`
			MPIReplicaSpecs map[string]struct {
				Replicas      int32
				RestartPolicy string `yaml:"restartPolicy"`
				Template      template
			} `yaml:"mpiReplicaSpecs"`
		}
	}
	policy struct {
		Action, Event string
		Events        []string
		ExitCode      *int32 `yaml:"exitCode"`
		Timeout       string
	}
	volcanoJob struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   meta
		Spec       struct {
			SchedulerName           string `yaml:"schedulerName"`
			MinAvailable            int32  `yaml:"minAvailable"`
			MaxRetry                int32  `yaml:"maxRetry"`
			Queue                   string
			PriorityClassName       string `yaml:"priorityClassName"`
			TTLSecondsAfterFinished *int32 `yaml:"ttlSecondsAfterFinished"`
			Plugins                 map[string][]string
			Policies                []policy
			Tasks                   []struct {
				Name         string
				Replicas     int32
				MinAvailable *int32 `yaml:"minAvailable"`
				Policies     []policy
				Template     template
			}
		}
	}
	template struct {
		Metadata meta
		Spec     struct {
			RestartPolicy string `yaml:"restartPolicy"`
			Containers    []container
			Volumes       []struct {
				Name                  string
				PersistentVolumeClaim *struct {
					ClaimName string `yaml:"claimName"`
					ReadOnly  bool   `yaml:"readOnly"`
				} `yaml:"persistentVolumeClaim"`
			}
		}
	}
	container struct {
		Name, Image     string
		Command, Args   []string
		SecurityContext struct {
			RunAsUser *int64 `yaml:"runAsUser"`
		} `yaml:"securityContext"`
		Ports []struct {
			Name          string
			ContainerPort int32 `yaml:"containerPort"`
		}
		Resources struct {
			Requests, Limits map[string]string
		}
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
	}
)

func read(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// a name of an object of Kubernetes.
var name = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// pod checks what the server would of a pod, and that what is mounted is there.
func pod(t *testing.T, where string, p template) container {
	t.Helper()
	if len(p.Spec.Containers) != 1 {
		t.Fatalf("%s: %d containers", where, len(p.Spec.Containers))
	}
	c := p.Spec.Containers[0]
	if !name.MatchString(c.Name) || c.Image == "" {
		t.Errorf("%s: a container without name or image: %+v", where, c)
	}
	volumes := map[string]bool{}
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName == "" {
			t.Errorf("%s: volume %s is of nothing", where, v.Name)
		}
		volumes[v.Name] = true
	}
	for _, m := range c.VolumeMounts {
		if !volumes[m.Name] || !strings.HasPrefix(m.MountPath, "/") {
			t.Errorf("%s: %+v is no volume of the pod, or at no absolute path", where, m)
		}
	}
	for k, v := range c.Resources.Requests {
		if c.Resources.Limits[k] != v {
			t.Errorf("%s: %s is not guaranteed: requests %s, limit %s", where, k, v, c.Resources.Limits[k])
		}
	}
	return c
}

func TestMPIJob(t *testing.T) {
	var j mpiJob
	read(t, "mpijob.yaml", &j)
	if j.APIVersion != "kubeflow.org/v2beta1" || j.Kind != "MPIJob" || !name.MatchString(j.Metadata.Name) {
		t.Errorf("%s %s %q", j.APIVersion, j.Kind, j.Metadata.Name)
	}
	if !slices.Contains([]string{"", "OpenMPI", "Intel", "MPICH"}, j.Spec.MPIImplementation) {
		t.Errorf("mpiImplementation %q", j.Spec.MPIImplementation)
	}
	if !slices.Contains([]string{"", "All", "Running", "None"}, j.Spec.RunPolicy.CleanPodPolicy) {
		t.Errorf("cleanPodPolicy %q", j.Spec.RunPolicy.CleanPodPolicy)
	}
	launcher, worker := j.Spec.MPIReplicaSpecs["Launcher"], j.Spec.MPIReplicaSpecs["Worker"]
	if len(j.Spec.MPIReplicaSpecs) != 2 || launcher.Replicas != 1 || worker.Replicas < 1 {
		t.Fatalf("replicas: %d of a launcher, %d of workers", launcher.Replicas, worker.Replicas)
	}
	for _, r := range []string{launcher.RestartPolicy, worker.RestartPolicy} {
		if !slices.Contains([]string{"Never", "OnFailure"}, r) {
			t.Errorf("restartPolicy %q", r)
		}
	}
	l, w := pod(t, "launcher", launcher.Template), pod(t, "worker", worker.Template)
	if l.Image != w.Image {
		t.Errorf("images %s and %s", l.Image, w.Image)
	}
	command(t, "mpijob.yaml", append(l.Command, l.Args...), int(worker.Replicas))
}

func TestVolcanoJob(t *testing.T) {
	var j volcanoJob
	read(t, "volcano.yaml", &j)
	if j.APIVersion != "batch.volcano.sh/v1alpha1" || j.Kind != "Job" || j.Spec.SchedulerName != "volcano" {
		t.Errorf("%s %s, scheduler %q", j.APIVersion, j.Kind, j.Spec.SchedulerName)
	}
	for p := range j.Spec.Plugins {
		if !slices.Contains([]string{"ssh", "svc", "env"}, p) {
			t.Errorf("plugin %q", p)
		}
	}
	events := []string{"PodFailed", "PodEvicted", "TaskCompleted", "TaskFailed", "Unknown", "OutOfSync", "CommandIssued", "JobUnknown", "*"}
	actions := []string{"AbortJob", "RestartJob", "RestartTask", "TerminateJob", "CompleteJob", "ResumeJob"}
	all := slices.Clone(j.Spec.Policies)
	pods := int32(0)
	var l container
	workers := 0
	for _, task := range j.Spec.Tasks {
		pods += task.Replicas
		all = append(all, task.Policies...)
		c := pod(t, task.Name, task.Template)
		switch task.Name {
		case "launcher":
			l = c
		case "worker":
			workers = int(task.Replicas)
		}
	}
	for _, p := range all {
		if !slices.Contains(events, p.Event) || !slices.Contains(actions, p.Action) {
			t.Errorf("policy %+v", p)
		}
	}
	if j.Spec.MinAvailable != pods {
		t.Errorf("minAvailable %d of %d pods: some would start alone", j.Spec.MinAvailable, pods)
	}
	script := strings.Join(l.Args, "\n")
	_, exec, ok := strings.Cut(script, "exec ")
	if !ok {
		t.Fatalf("no exec in %q", script)
	}
	command(t, "volcano.yaml", strings.Fields(strings.ReplaceAll(exec, "\\\n", " ")), workers)
	shell(t, "sh", script)
}

// flags are those of the program that the examples use: the command line knows them.
var flags = regexp.MustCompile(`--[a-z][-a-z]*`)

// command checks that as many ranks are started as there are workers, and that train has
// the flags.
func command(t *testing.T, where string, args []string, workers int) {
	t.Helper()
	i := slices.Index(args, "-n")
	if i < 0 || i+1 >= len(args) || len(args[i+1]) != 1 || int(args[i+1][0]-'0') != workers {
		t.Errorf("%s: %v does not start %d ranks", where, args, workers)
	}
	at := slices.IndexFunc(args, func(s string) bool { return strings.HasSuffix(s, "fasternet-train") })
	if at < 0 || at+2 >= len(args) || args[at+1] != "train" {
		t.Fatalf("%s: %v does not train", where, args)
	}
	known(t, where, strings.Join(args[at+2:], " "))
}

// known checks flags against the sources of the command line.
func known(t *testing.T, where, line string) {
	t.Helper()
	var source []byte
	for _, f := range []string{"train.go", "ranks.go"} {
		b, err := os.ReadFile(filepath.Join("../cmd/fasternet-train", f))
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, b...)
	}
	for _, f := range flags.FindAllString(line, -1) {
		if !bytes.Contains(source, []byte(`, "`+strings.TrimPrefix(f, "--")+`", `)) {
			t.Errorf("%s: train has no flag %s", where, f)
		}
	}
}

func shell(t *testing.T, which, script string) {
	t.Helper()
	path, err := exec.LookPath(which)
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(path, "-n")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestSlurm(t *testing.T) {
	b, err := os.ReadFile("slurm.sbatch")
	if err != nil {
		t.Fatal(err)
	}
	script := string(b)
	shell(t, "bash", script)
	options := regexp.MustCompile(`(?m)^#SBATCH --(\S+)$`).FindAllStringSubmatch(script, -1)
	if len(options) == 0 || !strings.HasPrefix(script, "#!") {
		t.Error("no options of sbatch, or no interpreter")
	}
	// Those of sbatch that are used; it reads them before the first command only.
	for _, o := range options {
		name, _, _ := strings.Cut(o[1], "=")
		if !slices.Contains([]string{"job-name", "nodes", "ntasks-per-node", "exclusive", "time", "requeue", "open-mode", "output"}, name) {
			t.Errorf("--%s", o[1])
		}
	}
	if strings.LastIndex(script, "#SBATCH") > strings.Index(script, "\nset -u") {
		t.Error("an option after the first command")
	}
	_, line, _ := strings.Cut(script, "fasternet-train train")
	line, _, _ = strings.Cut(line, "\ncode=")
	known(t, "slurm.sbatch", line)
}

// mpirun.sh starts one rank a line of the host file.
func TestMpirun(t *testing.T) {
	dir := t.TempDir()
	fake := filepath.Join(dir, "mpirun")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\nprintf '%s ' \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "mpirun.sh", "hosts", "train", "x.yaml")
	cmd.Env = append(os.Environ(), "MPIRUN="+fake, "NETWORK=192.168.7.0/24")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("no shell: %v", err)
	}
	want := "-n 4 --hostfile hosts --map-by node --bind-to none --mca btl_tcp_if_include 192.168.7.0/24 --mca oob_tcp_if_include 192.168.7.0/24 /shared/bin/fasternet-train train x.yaml "
	if string(out) != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
}

// The container file builds both programs in the way that the Makefile does.
func TestContainerfile(t *testing.T) {
	b, err := os.ReadFile("Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "\\\n", " ")
	stages := map[string]bool{}
	for _, line := range strings.Split(text, "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "", "#", "ARG", "WORKDIR", "USER", "CMD", "ENTRYPOINT":
		case "FROM":
			f := strings.Fields(rest)
			if len(f) != 3 || f[1] != "AS" {
				t.Errorf("FROM %s", rest)
				continue
			}
			stages[f[2]] = true
		case "COPY":
			if from, ok := strings.CutPrefix(strings.Fields(rest)[0], "--from="); ok && !stages[from] {
				t.Errorf("COPY from %s, which is no stage before", from)
			}
		case "RUN":
			for _, m := range regexp.MustCompile(`make ([-a-z]+)`).FindAllStringSubmatch(rest, -1) {
				if !bytes.Contains(makefile, []byte("\n"+m[1]+":")) {
					t.Errorf("the Makefile has no %s", m[1])
				}
			}
		default:
			if !strings.HasPrefix(word, "#") {
				t.Errorf("instruction %s", word)
			}
		}
	}
	if !stages["static"] || !stages["mpi"] {
		t.Errorf("stages %v", stages)
	}
}
