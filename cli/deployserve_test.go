//go:build unix

package cli

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// served parses the arguments of serve as the program would, and returns its options.
func served(t *testing.T, args []string) *serving {
	t.Helper()
	c, rest, err := newRoot().Find(append([]string{"serve"}, args...))
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err == nil {
		err = c.ValidateArgs(c.Flags().Args())
	}
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	f := c.Flags()
	s := &serving{}
	s.address, _ = f.GetString("addr")
	s.threads, _ = f.GetInt("threads")
	s.drain, _ = f.GetDuration("drain")
	s.drainDelay, _ = f.GetDuration("drain-delay")
	return s
}

// The manifest for KServe agrees with the image and the program.
func TestDeployKServe(t *testing.T) {
	type probe struct {
		Get struct {
			Path string
			Port int
		} `yaml:"httpGet"`
	}
	var m struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct {
			Name        string
			Annotations map[string]string
		}
		Spec struct {
			Predictor struct {
				Min         int    `yaml:"minReplicas"`
				Max         int    `yaml:"maxReplicas"`
				ScaleMetric string `yaml:"scaleMetric"`
				ScaleTarget int    `yaml:"scaleTarget"`
				Grace       int    `yaml:"terminationGracePeriodSeconds"`
				Security    struct {
					User    int  `yaml:"runAsUser"`
					Group   int  `yaml:"runAsGroup"`
					NonRoot bool `yaml:"runAsNonRoot"`
				} `yaml:"securityContext"`
				Containers []struct {
					Name, Image string
					Args        []string
					Ports       []struct {
						Name, Protocol string
						Port           int `yaml:"containerPort"`
					}
					Readiness struct {
						probe  `yaml:",inline"`
						Period int `yaml:"periodSeconds"`
					} `yaml:"readinessProbe"`
					Liveness struct {
						probe    `yaml:",inline"`
						Period   int `yaml:"periodSeconds"`
						Failures int `yaml:"failureThreshold"`
					} `yaml:"livenessProbe"`
					Security struct {
						Escalation   bool `yaml:"allowPrivilegeEscalation"`
						ReadOnly     bool `yaml:"readOnlyRootFilesystem"`
						Capabilities map[string][]string
					} `yaml:"securityContext"`
					Resources struct{ Requests, Limits map[string]string }
					Mounts    []struct {
						Name, MountPath string
						ReadOnly        bool `yaml:"readOnly"`
					} `yaml:"volumeMounts"`
				}
				Volumes []struct {
					Name  string
					Claim struct {
						Name     string `yaml:"claimName"`
						ReadOnly bool   `yaml:"readOnly"`
					} `yaml:"persistentVolumeClaim"`
				}
			}
		}
	}
	d := yaml.NewDecoder(strings.NewReader(read(t, deploy+"kserve/inferenceservice.yaml")))
	d.KnownFields(false)
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	p := m.Spec.Predictor
	if m.APIVersion != "serving.kserve.io/v1beta1" ||
		m.Kind != "InferenceService" ||
		len(p.Containers) != 1 ||
		p.Containers[0].Name != "kserve-container" {
		t.Fatalf("%+v", m)
	}
	c := p.Containers[0]
	s := served(t, c.Args)
	if c.Resources.Limits["cpu"] != strconv.Itoa(s.threads) ||
		c.Resources.Requests["cpu"] != c.Resources.Limits["cpu"] ||
		c.Resources.Requests["memory"] != c.Resources.Limits["memory"] {
		t.Errorf("%d threads, resources %v", s.threads, c.Resources)
	}
	if stop := s.drain + s.drainDelay; time.Duration(p.Grace)*time.Second <= stop {
		t.Errorf("the pod has %d s to end, the program takes %v", p.Grace, stop)
	}
	container := read(t, deploy+"Containerfile")
	_, image, found := strings.Cut(container, "FROM scratch AS serve\n")
	if !found {
		t.Fatal("the Containerfile has no stage called serve")
	}
	entry := regexp.MustCompile(`(?m)^ENTRYPOINT \["/fasternet-train", "serve", "--addr", "0\.0\.0\.0:(\d+)"\]$`).
		FindStringSubmatch(image)
	if entry == nil ||
		c.Ports[0].Port != c.Readiness.Get.Port ||
		c.Ports[0].Port != c.Liveness.Get.Port ||
		strconv.Itoa(c.Ports[0].Port) != entry[1] ||
		!strings.Contains(image, "EXPOSE "+entry[1]+"\n") {
		t.Errorf("ports %+v, probes %+v %+v, entry point %q", c.Ports, c.Readiness, c.Liveness, entry)
	}
	if !strings.Contains(image, "USER "+strconv.Itoa(p.Security.User)+":"+strconv.Itoa(p.Security.Group)+"\n") ||
		!p.Security.NonRoot ||
		!c.Security.ReadOnly ||
		c.Security.Escalation {
		t.Errorf("user %+v, %+v", p.Security, c.Security)
	}
	if c.Readiness.Get.Path != "/v2/health/ready" || c.Liveness.Get.Path != "/v2/health/live" {
		t.Errorf("probes %+v %+v", c.Readiness, c.Liveness)
	}
	if len(p.Volumes) != 1 ||
		len(c.Mounts) != 1 ||
		p.Volumes[0].Name != c.Mounts[0].Name ||
		!strings.HasSuffix(c.Image, "fasternet-train:serve") ||
		!strings.Contains(container, "-t fasternet-train:serve ") {
		t.Errorf("volumes %+v, mounts %+v, image %s", p.Volumes, c.Mounts, c.Image)
	}
}

// The systemd unit starts the program with existing options, and gives it time to end.
func TestDeploySystemd(t *testing.T) {
	unit := read(t, deploy+"systemd/fasternet-train.service")
	value := func(key string) string {
		t.Helper()
		v := regexp.MustCompile(`(?m)^` + key + `=(.*)$`).FindStringSubmatch(unit)
		if v == nil {
			t.Fatalf("the unit has no %s", key)
		}
		return v[1]
	}
	words := strings.Fields(value("ExecStart"))
	if !slices.Equal(words[:2], []string{"/usr/local/bin/fasternet-train", "serve"}) {
		t.Fatalf("%q", words)
	}
	s := served(t, words[2:])
	stop, err := strconv.Atoi(value("TimeoutStopSec"))
	if err != nil || time.Duration(stop)*time.Second <= s.drain+s.drainDelay {
		t.Errorf("it has %d s to end (%v), and takes %v", stop, err, s.drain+s.drainDelay)
	}
	for _, key := range []string{"DynamicUser", "NoNewPrivileges", "MemoryDenyWriteExecute", "PrivateDevices"} {
		if value(key) != "yes" {
			t.Errorf("%s is %s", key, value(key))
		}
	}
}
