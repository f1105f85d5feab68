package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	mpi "github.com/kubeflow/mpi-operator/pkg/apis/kubeflow/v2beta1"
	mpivalidation "github.com/kubeflow/mpi-operator/pkg/apis/kubeflow/validation"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
	volcano "volcano.sh/apis/pkg/apis/batch/v1alpha1"
	bus "volcano.sh/apis/pkg/apis/bus/v1alpha1"
)

// The modules with the schemas. Volcano itself is not a requirement of this module: it would bring all
// of Kubernetes.
const (
	operatorModule = "github.com/kubeflow/mpi-operator"
	volcanoModule  = "volcano.sh/volcano@v1.10.0"
	kserveModule   = "github.com/kserve/kserve@v0.15.2"
	kserveSum      = "h1:uph7Umk331fvBMrHHpTJNDt6+lf3IAuyiskaQw8wIAk="
	volcanoSum     = "h1:+GzQinGgeV0j58WpWpxByOXgF+YfUPW55zghM8GqjF0="
)

func TestMPIJob(t *testing.T) {
	s := load(t, module(t, operatorModule, ""), "manifests/base/kubeflow.org_mpijobs.yaml", "v2beta1")
	check(t, "mpijob.yaml", s, func(manifest []byte) error {
		var job mpi.MPIJob
		if err := yaml.UnmarshalStrict(manifest, &job); err != nil {
			return err
		}
		mpi.SetDefaults_MPIJob(&job)
		if errs := mpivalidation.ValidateMPIJob(&job); len(errs) > 0 {
			return errs.ToAggregate()
		}
		// With other values mpirun may begin too early.
		if p := job.Spec.LauncherCreationPolicy; p != mpi.LauncherCreationPolicyWaitForWorkersReady {
			return fmt.Errorf("launcherCreationPolicy is %q", p)
		}
		return nil
	}, "launcherCreationPolicy: WaitForWorkersReady", "launcherCreationPolicy: Later")
}

func TestVolcano(t *testing.T) {
	const file = "config/crd/volcano/bases/batch.volcano.sh_jobs.yaml"
	s := load(t, module(t, volcanoModule, volcanoSum), file, "v1alpha1")
	check(t, "volcano.yaml", s, func(manifest []byte) error {
		var job volcano.Job
		if err := yaml.UnmarshalStrict(manifest, &job); err != nil {
			return err
		}
		all := job.Spec.Policies
		for _, task := range job.Spec.Tasks {
			all = append(all, task.Policies...)
		}
		for _, p := range all { // which the schema leaves to the operator
			if !slices.Contains(events, p.Event) || !slices.Contains(actions, p.Action) {
				return fmt.Errorf("%s at the event %s: want one of %q at one of %q", p.Action, p.Event, actions, events)
			}
		}
		return nil
	}, "action: RestartJob", "action: StartAnew")
}

// KServe's schema says what an InferenceService may have. Its Go types would bring the libraries of
// several clouds, so this test does without them.
func TestInferenceService(t *testing.T) {
	const file = "config/crd/full/serving.kserve.io_inferenceservices.yaml"
	s := load(t, module(t, kserveModule, kserveSum), file, "v1beta1")
	raw, err := os.ReadFile(filepath.Join("..", "kserve", "inferenceservice.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.check(raw); err != nil {
		t.Error(err)
	}
	for _, m := range [][2]string{
		{"minReplicas:", "minReplica:"},
		{"terminationGracePeriodSeconds:", "gracePeriodSeconds:"},
		{"runAsUser:", "runAs:"},
		{"readinessProbe:", "readyProbe:"},
		{"claimName:", "claim:"},
		{"maxReplicas: 4", "maxReplicas: four"},
		{"containerPort: 8080", "containerPort: http"},
		{`cpu: "4"`, "cpu: [4]"},
	} {
		if !strings.Contains(string(raw), m[0]) {
			t.Errorf("the manifest has no %q", m[0])
			continue
		}
		if s.check([]byte(strings.ReplaceAll(string(raw), m[0], m[1]))) == nil {
			t.Errorf("not noticed: %q in the place of %q", m[1], m[0])
		}
	}
}

// events lists events of a Volcano job, and actions the actions that can answer them.
var (
	events = []bus.Event{
		bus.PodFailedEvent, bus.PodEvictedEvent, bus.JobUnknownEvent, bus.TaskCompletedEvent,
		bus.TaskFailedEvent,
	}
	actions = []bus.Action{
		bus.AbortJobAction, bus.RestartJobAction, bus.RestartTaskAction, bus.TerminateJobAction,
		bus.CompleteJobAction, bus.ResumeJobAction,
	}
)

// module returns the folder of a module. It downloads the module if necessary.
func module(t *testing.T, name, sum string) string {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", name).Output()
	var m struct{ Dir, Sum, Error string }
	if e := json.Unmarshal(out, &m); err != nil || e != nil || m.Error != "" {
		t.Fatalf("%s: %v %v %s", name, err, e, m.Error)
	}
	if sum != "" && m.Sum != sum {
		t.Fatalf("%s has the checksum %s, want %s", name, m.Sum, sum)
	}
	return m.Dir
}

// published is the schema of a version of a custom resource.
type published struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
	namespaced bool
}

func load(t *testing.T, dir, file, version string) published {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	var crd v1.CustomResourceDefinition
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(
		crd.Spec.Versions,
		func(v v1.CustomResourceDefinitionVersion) bool { return v.Name == version && v.Served },
	)
	if at < 0 {
		t.Fatalf("%s has no version %s", file, version)
	}
	var props apiextensions.JSONSchemaProps
	openAPI := crd.Spec.Versions[at].Schema.OpenAPIV3Schema
	err = v1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(openAPI, &props, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := published{namespaced: crd.Spec.Scope == v1.NamespaceScoped}
	if s.structural, err = schema.NewStructural(&props); err != nil {
		t.Fatal(err)
	}
	if s.validator, _, err = validation.NewSchemaValidator(&props); err != nil {
		t.Fatal(err)
	}
	return s
}

// check returns an error for values in a manifest that the schema forbids, and for unknown fields,
// which a cluster would drop without a message.
func (s published) check(manifest []byte) error {
	var object map[string]any
	if err := yaml.UnmarshalStrict(manifest, &object); err != nil {
		return err
	}
	if u := (&unstructured.Unstructured{Object: object}); u.GetName() == "" || !s.namespaced {
		return errors.New("has no name")
	}
	err := validation.ValidateCustomResource(nil, object, s.validator).ToAggregate()
	options := schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	unknown := pruning.PruneWithOptions(object, s.structural, true, options)
	if len(unknown) > 0 {
		return errors.Join(errors.New("unknown fields: "+strings.Join(unknown, ", ")), err)
	}
	if err == nil {
		return nil // not err, which may hold a nil pointer
	}
	return err
}

// check checks a manifest against the schema and the types. Then it makes mistakes that one of them
// must find: in a value that the schema leaves open, and in fields of the job, of a pod and of a
// container.
func check(t *testing.T, name string, s published, typed func([]byte) error, old, wrong string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "kubernetes", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.check(raw), typed(raw)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	for _, m := range [][2]string{
		{old, wrong},
		{"ttlSecondsAfterFinished:", "ttlSecondAfterFinished:"},
		{"terminationGracePeriodSeconds:", "gracePeriodSeconds:"},
		{"runAsUser:", "runAs:"},
		{"claimName:", "claim:"},
		{"replicas: 4", "replicas: four"},
		{"containerPort: 2222", "containerPort: ssh"},
		{`cpu: "16"`, "cpu: [16]"},
	} {
		if !strings.Contains(string(raw), m[0]) {
			t.Errorf("%s has no %q", name, m[0])
			continue
		}
		bad := []byte(strings.ReplaceAll(string(raw), m[0], m[1]))
		bySchema, byType := s.check(bad), typed(bad)
		if bySchema == nil && m[0] != old || byType == nil {
			t.Errorf("%s: not noticed: %q in the place of %q: schema: %v, types: %v",
				name, m[1], m[0], bySchema, byType)
		}
	}
}
