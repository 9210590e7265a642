package workloads

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// Directories that pods find their files in. What is in them changes in place
// when it is rotated, and the services read it again.
const (
	tlsDir    = "/etc/trivet/tls"     // certificate, key and authority
	vaultDir  = "/etc/trivet/vault"   // secrets of the cloud's vault
	secretDir = "/etc/trivet/secrets" //nolint:gosec // a directory: secrets of the stack
	rolesDir  = "/etc/trivet/roles"   // passwords of the database's roles
	rootsDir  = "/etc/trivet/database"
	rootsFile = rootsDir + "/roots.pem"
)

// secretMode lets the pod's group read its secrets, and nobody write them.
const secretMode = 0o440

// secretFile is a secret that a program reads from a file: NAME_FILE names it.
type secretFile struct {
	variable string
	file     string
	secret   platform.Secret
}

// secretsOf are the secrets of a program with backends.
func (s *site) secretsOf(p program) []secretFile {
	var all []secretFile
	if p.backends {
		all = append(all, secretFile{"TRIVET_CACHE_PASSWORD", "cache-password", s.on.Cache.Password})
		if s.on.Broker != nil {
			all = append(all, secretFile{"TRIVET_BROKER_LOGIN", "broker-login", s.on.Broker.Login})
		}
		if s.passwordLogin() {
			all = append(all, secretFile{"TRIVET_DATABASE_PASSWORD", "database-password", platform.Secret{Value: s.rolePasswords[p.service]}})
		}
	}
	switch p.service {
	case "api":
		all = append(all, secretFile{"TRIVET_ROOT_TOKEN", "root-token", platform.Secret{Value: s.rootToken}})
	case "autoscaler":
		all = append(all, secretFile{"TRIVET_AUTOSCALER_TOKEN", "autoscaler-token", platform.Secret{Value: s.autoscalerToken}})
	}
	return all
}

// files are what is mounted into a pod, and the variables that name it.
type files struct {
	volumes   corev1.VolumeArray
	mounts    corev1.VolumeMountArray
	variables []setting
	made      []pulumi.Resource // that have to be there before the pod
}

func (f *files) mount(name, dir string, source *corev1.VolumeArgs) {
	source.Name = pulumi.String(name)
	f.volumes = append(f.volumes, source)
	f.mounts = append(f.mounts, &corev1.VolumeMountArgs{
		Name: pulumi.String(name), MountPath: pulumi.String(dir), ReadOnly: pulumi.Bool(true),
	})
}

// mountSecret mounts a Kubernetes secret.
func (f *files) mountSecret(name, dir string, secret *corev1.Secret) {
	f.mount(name, dir, &corev1.VolumeArgs{Secret: &corev1.SecretVolumeSourceArgs{
		SecretName: secret.Metadata.Name(), DefaultMode: pulumi.Int(secretMode),
	}})
	f.made = append(f.made, secret)
}

// mountRoots mounts the authorities that vouch for the database.
func (f *files) mountRoots(roots *Roots) {
	f.mount("database", rootsDir, &corev1.VolumeArgs{ConfigMap: &corev1.ConfigMapVolumeSourceArgs{
		Name: roots.config.Metadata.Name(), DefaultMode: pulumi.Int(secretMode),
	}})
}

// mountSecrets puts the secrets of a service into files: those of a vault by the
// driver that mounts them, the others by a Kubernetes secret of the service's
// own.
func (f *files) mountSecrets(ctx *pulumi.Context, s *site, service string, all []secretFile, parent pulumi.Resource) error {
	inVault := func(file secretFile) bool { return file.secret.Vault != nil }
	if vault := slices.DeleteFunc(slices.Clone(all), func(file secretFile) bool { return !inVault(file) }); len(vault) > 0 {
		class, err := newSecretProviderClass(ctx, s, service, vault, parent)
		if err != nil {
			return err
		}
		f.made = append(f.made, class)
		f.mount("vault", vaultDir, &corev1.VolumeArgs{Csi: &corev1.CSIVolumeSourceArgs{
			Driver:           pulumi.String("secrets-store.csi.k8s.io"),
			ReadOnly:         pulumi.Bool(true),
			VolumeAttributes: pulumi.StringMap{"secretProviderClass": pulumi.String(object(service))},
		}})
		f.name(vaultDir, vault)
	}
	if own := slices.DeleteFunc(slices.Clone(all), inVault); len(own) > 0 {
		data := pulumi.StringMap{}
		for _, file := range own {
			data[file.file] = file.secret.Value
		}
		secret, err := s.newSecret(ctx, service, service+"-secrets", data, parent)
		if err != nil {
			return err
		}
		f.mountSecret("secrets", secretDir, secret)
		f.name(secretDir, own)
	}
	return nil
}

func (f *files) name(dir string, all []secretFile) {
	for _, file := range all {
		f.variables = append(f.variables, setting{file.variable + "_FILE", pulumi.String(dir + "/" + file.file)})
	}
}

// newSecret keeps texts in the cluster, which encrypts them.
func (s *site) newSecret(ctx *pulumi.Context, service, name string, data pulumi.StringMap, parent pulumi.Resource) (*corev1.Secret, error) {
	secret, err := corev1.NewSecret(ctx, s.logical(name), &corev1.SecretArgs{
		Metadata:   s.meta(service, object(name)),
		StringData: data,
	}, pulumi.Parent(parent), pulumi.AdditionalSecretOutputs([]string{"stringData", "data"}))
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	return secret, nil
}

// meta names an object of a service in the namespace.
func (s *site) meta(service, name string) *metav1.ObjectMetaArgs {
	return &metav1.ObjectMetaArgs{Name: pulumi.String(name), Namespace: s.namespace, Labels: labels(service)}
}

// providerParameters say to each provider of the driver which secrets to mount;
// more of them come with more clouds.
var providerParameters = map[string]func([]secretFile) pulumi.StringMap{"aws": awsParameters}

// newSecretProviderClass tells the driver which secrets of the vault a service's
// pods get. It reads them with the pod's identity, so that no more than the
// service itself may read.
func newSecretProviderClass(ctx *pulumi.Context, s *site, service string, all []secretFile, parent pulumi.Resource) (*apiextensions.CustomResource, error) {
	provider := all[0].secret.Vault.Provider
	parameters, ok := providerParameters[provider]
	if !ok {
		return nil, fmt.Errorf("secrets of %s: the secrets-store driver's provider %q is not known", service, provider)
	}
	class, err := apiextensions.NewCustomResource(ctx, s.logical(service+"-vault"), &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String("secrets-store.csi.x-k8s.io/v1"),
		Kind:       pulumi.String("SecretProviderClass"),
		Metadata:   s.meta(service, object(service)),
		OtherFields: kubernetes.UntypedArgs{
			"spec": pulumi.Map{"provider": pulumi.String(provider), "parameters": parameters(all)},
		},
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("secrets of %s: %w", service, err)
	}
	return class, nil
}

// awsObject is a secret as AWS' provider of the driver reads it.
type awsObject struct {
	ObjectName  string     `json:"objectName"`
	ObjectType  string     `json:"objectType"`
	ObjectAlias string     `json:"objectAlias"`
	JMESPath    []jmesPath `json:"jmesPath,omitempty"`
}

type jmesPath struct {
	Path        string `json:"path"`
	ObjectAlias string `json:"objectAlias"`
}

// awsParameters list the secrets by their ARNs. JSON is YAML, too, which the
// provider expects. It writes the whole secret beside a field of it.
func awsParameters(all []secretFile) pulumi.StringMap {
	names := make([]any, len(all))
	for i, file := range all {
		names[i] = file.secret.Vault.Name
	}
	objects := pulumi.All(names...).ApplyT(func(arns []any) (string, error) {
		list := make([]awsObject, len(all))
		for i, file := range all {
			list[i] = awsObject{ObjectName: arns[i].(string), ObjectType: "secretsmanager", ObjectAlias: file.file}
			if field := file.secret.Vault.Field; field != "" {
				list[i].ObjectAlias = file.file + ".json"
				list[i].JMESPath = []jmesPath{{Path: field, ObjectAlias: file.file}}
			}
		}
		text, err := json.Marshal(list)
		return string(text), err
	}).(pulumi.StringOutput)
	return pulumi.StringMap{"objects": objects, "usePodIdentity": pulumi.String("true")}
}
