//go:build unix

package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fasternet/configs"

	"gopkg.in/yaml.v3"
)

const deploy = "../deploy/"

// accept parses a command as the program would, up to the beginning of the work, and returns its configuration.
func accept(t *testing.T, words []string) *configs.Config {
	t.Helper()
	at := slices.Index(words, "fasternet-train")
	if at < 0 || len(words) < at+2 || words[at+1] != "train" {
		t.Fatalf("want fasternet-train train in %q", words)
	}
	c, rest, err := newRoot().Find(words[at+1:])
	if err != nil {
		t.Fatal(err)
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Fatalf("%q: %v", rest, err)
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		t.Fatalf("%q: %v", rest, err)
	}
	if resume, _ := c.Flags().GetBool("resume"); !resume {
		t.Errorf("%q starts again from the beginning each time: want --resume", rest)
	}
	settings, err := c.Flags().GetStringArray("set")
	if err != nil {
		t.Fatal(err)
	}
	config, err := configs.Load(c.Flags().Arg(0), settings...)
	if err != nil {
		t.Fatalf("%q: %v", rest, err)
	}
	return config
}

// pod has the parts of a manifest that must agree.
type pod struct {
	Spec struct {
		Grace      int `yaml:"terminationGracePeriodSeconds"`
		Containers []struct {
			Image         string
			Command, Args []string
			Ports         []struct {
				Port int `yaml:"containerPort"`
			}
			Resources struct {
				Requests, Limits map[string]string
			}
			Mounts []struct{ Name, MountPath string } `yaml:"volumeMounts"`
		}
		Volumes []struct{ Name string }
	}
}

// manifest is either of the two kinds of job, with the parts that matter here. Package deploy/validate checks
// the rest.
type manifest struct {
	Spec struct {
		Slots        int `yaml:"slotsPerWorker"`
		MinAvailable int `yaml:"minAvailable"`
		Plugins      map[string][]string
		Replicas     map[string]struct {
			Replicas int
			Template pod
		} `yaml:"mpiReplicaSpecs"`
		Tasks []struct {
			Name     string
			Replicas int
			Template pod
		}
	}
}

func TestDeployKubernetes(t *testing.T) {
	files, err := filepath.Glob(deploy + "kubernetes/*.yaml")
	if err != nil || len(files) != 2 {
		t.Fatalf("%q, %v", files, err)
	}
	container := read(t, deploy+"Containerfile")
	port := regexp.MustCompile(`(?m)^Port (\d+)$`).FindStringSubmatch(read(t, deploy+"image/sshd_worker"))
	client := read(t, deploy+"image/ssh_mpi.conf")
	if port == nil || !strings.Contains(client, "\n    Port "+port[1]+"\n") {
		t.Fatalf("sshd listens on %v, ssh calls\n%s", port, client)
	}
	var images []string
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var m manifest
			if err := yaml.Unmarshal([]byte(read(t, file)), &m); err != nil {
				t.Fatal(err)
			}
			launcher, worker, workers := m.Spec.Replicas["Launcher"].Template, m.Spec.Replicas["Worker"].Template, 0
			if len(m.Spec.Tasks) > 0 {
				launcher, worker, workers = m.Spec.Tasks[0].Template, m.Spec.Tasks[1].Template, m.Spec.Tasks[1].Replicas
				if m.Spec.MinAvailable != workers+m.Spec.Tasks[0].Replicas {
					t.Errorf("minAvailable is %d of %d: some ranks would wait for others that may never come",
						m.Spec.MinAvailable, workers+1)
				}
				for _, want := range []string{
					"--master=" + m.Spec.Tasks[0].Name, "--worker=" + m.Spec.Tasks[1].Name, "--port=" + port[1],
				} {
					if !slices.Contains(m.Spec.Plugins["mpi"], want) {
						t.Errorf("the plugin mpi has not %s", want)
					}
				}
			} else if m.Spec.Slots != 1 {
				t.Errorf("%d ranks a worker: the processors of one are for one", m.Spec.Slots)
			}
			l, w := launcher.Spec.Containers[0], worker.Spec.Containers[0]
			words := append(slices.Clone(l.Command), l.Args...)
			config := accept(t, words)
			if threads := strconv.Itoa(config.Threads); threads != w.Resources.Limits["cpu"] {
				t.Errorf("%s threads, and %q processors", threads, w.Resources.Limits["cpu"])
			}
			for _, c := range []struct{ Requests, Limits map[string]string }{l.Resources, w.Resources} {
				if len(c.Requests) == 0 || fmt.Sprint(c.Requests) != fmt.Sprint(c.Limits) {
					t.Errorf("requests %v, limits %v: want the same", c.Requests, c.Limits)
				}
			}
			if got := fmt.Sprint(w.Ports); got != "[{"+port[1]+"}]" {
				t.Errorf("the worker's ports are %s", got)
			}
			if v := worker.Spec.Volumes; len(v) != 1 || len(w.Mounts) != 1 || v[0].Name != w.Mounts[0].Name {
				t.Errorf("volumes %v, mounted %v", v, w.Mounts)
			}
			at := slices.Index(words, "odls_base_sigkill_timeout")
			wait, err := strconv.Atoi(words[at+1])
			if err != nil || launcher.Spec.Grace < 2*wait { // mpirun waits twice
				t.Errorf("mpirun waits %d s, the pod %d: %v", wait, launcher.Spec.Grace, err)
			}
			for _, name := range []string{l.Command[0], w.Command[0]} {
				if !strings.Contains(container, "deploy/image/"+name+" ") {
					t.Errorf("the image has no %s", name)
				}
			}
			images = append(images, l.Image, w.Image)
		})
	}
	images = slices.Compact(images)
	if len(images) != 1 ||
		!strings.HasSuffix(images[0], "fasternet-train:mpi") ||
		!strings.Contains(container, "-t fasternet-train:mpi ") {
		t.Errorf("images %q: want the Containerfile's", images)
	}
}

// Every file that the pages name exists.
func TestDeployPages(t *testing.T) {
	for _, page := range []string{
		"docs/guides/several-machines.md", "README.md", "CHANGELOG.md", "docs/internals/architecture.md",
	} {
		for _, name := range regexp.MustCompile(`\bdeploy/[\w./-]*\w`).FindAllString(read(t, "../"+page), -1) {
			if _, err := os.Stat("../" + name); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// Everything that the Containerfile copies and calls exists.
func TestDeployContainerfile(t *testing.T) {
	text := strings.ReplaceAll(read(t, deploy+"Containerfile"), "\\\n", " ")
	module, makefile := read(t, "../go.mod"), read(t, "../Makefile")
	for _, m := range regexp.MustCompile(`(?m)^FROM golang:([\d.]+)-`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(module, "\ngo "+m[1]+"\n") {
			t.Errorf("builds with Go %s, and not go.mod's", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^COPY ([^-\n].*) \S+$`).FindAllStringSubmatch(text, -1) {
		for _, name := range strings.Fields(m[1]) {
			if _, err := os.Stat("../" + name); err != nil {
				t.Error(err)
			}
		}
	}
	targets := regexp.MustCompile(`\bmake (build\S*)`).FindAllStringSubmatch(text, -1)
	if len(targets) != 2 {
		t.Errorf("calls make %q: want build and build-mpi", targets)
	}
	for _, m := range targets {
		if !strings.Contains(makefile, "\n"+m[1]+":") {
			t.Errorf("the Makefile has no %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`--target (\S+)`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(text, " AS "+m[1]+"\n") {
			t.Errorf("there is no target %s", m[1])
		}
	}
}

// script runs a script with programs that record their calls instead of the real ones. Each ends with its given code.
func script(
	t *testing.T,
	programs map[string]int,
	env []string,
	words ...string,
) (calls [][]string, code int, printed string) {
	t.Helper()
	dir := t.TempDir()
	for name, code := range programs {
		text := fmt.Sprintf("#!/bin/sh\n(echo \"::$FASTERNET_MPI\"; printf '%%s\\n' %s \"$@\") >> %q\nexit %d\n",
			name, dir+"/calls", code)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command(words[0], words[1:]...)
	c.Env = append(append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH")), env...)
	c.Env = append(c.Env, "LC_ALL=C") // or a shell warns about a language that is not installed
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	raw, _ := os.ReadFile(dir + "/calls")
	for call := range strings.SplitSeq(string(raw), "::") {
		if call != "" {
			calls = append(calls, strings.Split(strings.TrimSuffix(call, "\n"), "\n")) // FASTERNET_MPI first
		}
	}
	return calls, c.ProcessState.ExitCode(), string(out)
}

func TestDeploySlurm(t *testing.T) {
	const file = deploy + "slurm/train.sbatch"
	for _, test := range []struct {
		code     int
		requeued bool
	}{{0, false}, {1, false}, {137, false}, {143, true}} {
		t.Run(fmt.Sprint(test.code), func(t *testing.T) {
			calls, got, out := script(t, map[string]int{
				"srun":     test.code,
				"scontrol": 0,
			}, []string{"SLURM_CPUS_PER_TASK=12", "SLURM_JOB_ID=77"},
				"bash", file, "fasternet_s", "--data", "/shared/my images", "--set", "threads=3")
			if got != test.code || len(calls) == 0 || out != "" {
				t.Fatalf("srun ends with %d, the script with %d: %q\n%s", test.code, got, calls, out)
			}
			c := accept(t, calls[0])
			if c.Threads != 12 || !slices.Contains(calls[0], "/shared/my images") || calls[0][0] != "openmpi" {
				t.Errorf("%d threads: %q", c.Threads, calls[0])
			}
			again := len(calls) == 2 && slices.Equal(calls[1][1:], []string{"scontrol", "requeue", "77"})
			if again != test.requeued || len(calls) > 2 {
				t.Errorf("exit code %d: %q", test.code, calls[1:])
			}
		})
	}
	if _, code, out := script(t, nil, nil, "bash", file); code != exitUsage || !strings.Contains(out, "usage:") {
		t.Errorf("without arguments: exit code %d\n%s", code, out)
	}
	text := read(t, file)
	options := regexp.MustCompile(`(?m)^#SBATCH --([\w-]+)(?:=(.+))?$`).FindAllStringSubmatch(text, -1)
	if strings.LastIndex(text, "#SBATCH") > strings.Index(text, "\nset ") {
		t.Error("sbatch does not read options after the first command")
	}
	values := map[string]string{}
	for _, o := range options {
		values[o[1]] = o[2]
	}
	var h, m, s int
	before, err1 := strconv.Atoi(strings.TrimPrefix(values["signal"], "TERM@"))
	_, err2 := fmt.Sscanf(values["time"], "%d:%d:%d", &h, &m, &s)
	limit := regexp.MustCompile(`--max-hours ([\d.]+)`).FindStringSubmatch(text)
	hours, err3 := strconv.ParseFloat(limit[1], 64)
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	end := float64(h) + float64(m)/60 + float64(s)/3600
	if signal := end - time.Duration(before*1e9).Hours(); hours >= signal || hours < end-1 {
		t.Errorf("--max-hours %v, SIGTERM after %.2f h, the end after %.2f h", hours, signal, end)
	}
}

func TestDeployMpirun(t *testing.T) {
	const file = deploy + "mpirun/train.sh"
	for _, c := range []struct {
		mpi   string
		flags [2]string
	}{
		{"openmpi", [2]string{"--hostfile", "--mca btl_tcp_if_include net0 --mca oob_tcp_if_include net0 "}},
		{"mpich", [2]string{"-f", "-iface net0 "}},
	} {
		t.Run(c.mpi, func(t *testing.T) {
			hosts := deploy + "mpirun/hosts." + c.mpi
			calls, code, out := script(
				t,
				map[string]int{"mpirun": 143},
				nil,
				"sh",
				file,
				c.mpi,
				hosts,
				"fasternet_s",
				"--data",
				"/shared/my images",
			)
			if code != 143 || len(calls) != 1 || out != "" {
				t.Fatalf("exit code %d, %q\n%s", code, calls, out)
			}
			accept(t, calls[0])
			line := strings.Join(calls[0], " ")
			for _, want := range []string{
				c.flags[0] + " " + hosts, "-bind-to none", "/shared/my images", "FASTERNET_MPI",
			} {
				if !strings.Contains(line, want) {
					t.Errorf("want %q in %q", want, line)
				}
			}
			calls, _, _ = script(
				t,
				map[string]int{"mpirun": 0},
				[]string{"NETWORK=net0"},
				"sh",
				file,
				c.mpi,
				hosts,
				"fasternet_s",
			)
			if line := strings.Join(calls[0], " "); !strings.Contains(line,
				c.flags[1]+"fasternet-train train fasternet_s") ||
				strings.Contains(line, "  ") {
				t.Errorf("NETWORK: %q", line)
			}
		})
	}
	for _, words := range [][]string{{}, {"openmpi", "hosts"}, {"intel", "hosts", "fasternet_s"}} {
		if calls, code, out := script(t, map[string]int{"mpirun": 0}, nil, append([]string{"sh", file},
			words...)...); code != exitUsage ||
			len(calls) != 0 {
			t.Errorf("%q: exit code %d, %q\n%s", words, code, calls, out)
		}
	}
}

// The scripts of the image.
func TestDeployImage(t *testing.T) {
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("# two\na.jobs.svc slots=1\nb.jobs.svc:2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, names := range []string{hosts, "a.jobs.svc,b.jobs.svc"} {
		calls, code, out := script(
			t,
			map[string]int{"ssh": 0, "mpirun": 3},
			nil,
			"sh",
			deploy+"image/wait-for-hosts",
			names,
			"mpirun",
			"--wdir",
			"my folder",
		)
		if code != 3 ||
			len(calls) != 3 ||
			!slices.Contains(calls[0], "a.jobs.svc") ||
			!slices.Contains(calls[1], "b.jobs.svc") ||
			!slices.Equal(calls[2][1:], []string{"mpirun", "--wdir", "my folder"}) {
			t.Errorf("%s: exit code %d, %q\n%s", names, code, calls, out)
		}
	}
	calls, code, out := script(
		t,
		map[string]int{"ssh": 255, "mpirun": 0},
		[]string{"WAIT_TRIES=1"},
		"sh",
		deploy+"image/wait-for-hosts",
		"a",
		"mpirun",
	)
	if code == 0 || len(calls) != 2 || !strings.Contains(out, "cannot log in on a with ssh") {
		t.Errorf("a host that is not there: exit code %d, %q\n%s", code, calls, out)
	}
	calls, code, out = script(t, map[string]int{"pkill": 0, "pgrep": 1}, nil, "sh", deploy+"image/mpi-worker", "stop")
	if code != 0 || len(calls) != 2 || !slices.Contains(calls[0], "-TERM") {
		t.Errorf("stop: exit code %d, %q\n%s", code, calls, out)
	}
	if _, code, out = script(t, map[string]int{"pkill": 1}, nil, "sh", deploy+"image/mpi-worker", "stop"); code != 0 {
		t.Errorf("nothing to stop: exit code %d\n%s", code, out)
	}
	if _, code, out = script(t, nil, nil, "sh", deploy+"image/mpi-worker", "begin"); code != exitUsage {
		t.Errorf("begin: exit code %d\n%s", code, out)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
