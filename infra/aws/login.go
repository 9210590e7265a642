package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/secretsmanager"
	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// loginArgs are whose login it is and who may read it.
type loginArgs struct {
	Spec        platform.Spec
	Key         *kms.Key
	User        string
	Description string

	// Once says that the server takes the password when it is made and never
	// again from here: another one would lock the services out.
	Once bool
}

// login is a user and a password that nobody has ever seen, in Secrets Manager
// as a JSON object with username and password.
type login struct {
	ARN      pulumi.StringOutput
	Password pulumi.StringOutput // secret
}

// newLogin makes up a password and keeps it. It has letters and digits alone,
// so that it can stand in a URL, and 64 of them, so that they are enough.
func newLogin(ctx *pulumi.Context, name string, args loginArgs, parent pulumi.Resource) (login, error) {
	password, err := random.NewRandomPassword(ctx, name, &random.RandomPasswordArgs{
		Length:  pulumi.Int(64),
		Special: pulumi.Bool(false),
	}, pulumi.Parent(parent), pulumi.Protect(args.Once && args.Spec.Production()))
	if err != nil {
		return login{}, fmt.Errorf("password %s: %w", name, err)
	}
	secret, err := secretsmanager.NewSecret(ctx, name, &secretsmanager.SecretArgs{
		Description:          pulumi.String(fmt.Sprintf("%s of %s", args.Description, physicalName(args.Spec))),
		KmsKeyId:             args.Key.Arn,
		RecoveryWindowInDays: pulumi.Int(recoveryDays(args.Spec)),
	}, stateful(args.Spec, parent))
	if err != nil {
		return login{}, fmt.Errorf("secret %s: %w", name, err)
	}
	value := pulumi.ToSecret(pulumi.JSONMarshal(pulumi.StringMap{
		"username": pulumi.String(args.User),
		"password": password.Result,
	})).(pulumi.StringOutput)
	if _, err := secretsmanager.NewSecretVersion(ctx, name, &secretsmanager.SecretVersionArgs{
		SecretId:     secret.Arn,
		SecretString: value,
	}, pulumi.Parent(parent), pulumi.RetainOnDelete(args.Spec.Production())); err != nil {
		return login{}, fmt.Errorf("value of secret %s: %w", name, err)
	}
	return login{ARN: secret.Arn, Password: pulumi.ToSecret(password.Result).(pulumi.StringOutput)}, nil
}

// field is a part of the login, as pods get it; all of it without a name.
func (l login) field(name string) platform.Secret { return vaultSecret(l.ARN, name) }

// vaultSecret is a secret in Secrets Manager, or a field of its JSON object.
func vaultSecret(arn pulumi.StringOutput, field string) platform.Secret {
	return platform.Secret{Vault: &platform.VaultSecret{Provider: "aws", Name: arn, Field: field}}
}

// recoveryDays is for how long a deleted secret can be brought back.
func recoveryDays(spec platform.Spec) int {
	if spec.Production() {
		return 30
	}
	return 0
}
