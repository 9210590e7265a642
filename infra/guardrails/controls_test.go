package guardrails

import (
	"slices"
	"strings"
	"testing"
)

// controls are what a production stack has to show, by the ids that checkov
// (CKV), Trivy (AVD, KSV), Security Hub, Control Tower (CT), kube-score and
// kube-linter have for it. At least one rule has each id.
var controls = map[string]string{
	"private endpoint of the API server": "CKV_AWS_38 CKV_AWS_39 AVD-AWS-0040 AVD-AWS-0041 EKS.1 CT.EKS.PR.1",
	"encrypted secrets of Kubernetes":    "CKV_AWS_58 AVD-AWS-0039 CT.EKS.PR.2",
	"control plane logs":                 "CKV_AWS_37 AVD-AWS-0038",
	"node metadata":                      "CKV_AWS_79 CKV_AWS_341 AVD-AWS-0130",
	"supported version":                  "CKV_AWS_339",
	"images":                             "CKV_AWS_51 CKV_AWS_163 CKV_AWS_136",
	"flow logs":                          "CKV2_AWS_11 AVD-AWS-0178",
	"closed groups":                      "CKV2_AWS_12 AVD-AWS-0173 AVD-AWS-0107",
	"private subnets":                    "CKV_AWS_130 AVD-AWS-0164",
	"cache TLS":                          "CKV_AWS_30 AVD-AWS-0051",
	"cache login":                        "CKV_AWS_31",
	"cache encryption":                   "CKV_AWS_29 CKV_AWS_191 AVD-AWS-0045",
	"cache availability":                 "CKV2_AWS_50 AVD-AWS-0050 ElastiCache.1",
	"private database":                   "CKV_AWS_17 AVD-AWS-0180",
	"database TLS":                       "CKV2_AWS_69",
	"database encryption":                "CKV_AWS_96 CKV_AWS_327 AVD-AWS-0079",
	"database availability":              "CKV_AWS_157",
	"database backups":                   "CKV_AWS_133 AVD-AWS-0077 CKV2_AWS_8",
	"database deletion protection":       "CKV_AWS_139 AVD-AWS-0343",
	"database login":                     "CKV_AWS_162 AVD-AWS-0176",
	"database logs":                      "CKV2_AWS_27 CKV_AWS_324 CKV_AWS_118 CKV_AWS_353",
	"private broker":                     "CKV_AWS_69 AVD-AWS-0072",
	"broker":                             "CKV_AWS_209 CKV_AWS_48 AVD-AWS-0071",
	"balancer":                           "CKV_AWS_103 CKV_AWS_91 CKV_AWS_150 CKV_AWS_131 CKV2_AWS_20 AVD-AWS-0047 AVD-AWS-0054 AVD-AWS-0052",
	"firewall":                           "CKV_AWS_192 CKV_AWS_175 CKV2_AWS_28 CKV2_AWS_31 CKV2_AWS_76",
	"CDN":                                "CKV_AWS_34 CKV_AWS_174 CKV_AWS_68 CKV_AWS_86 CKV2_AWS_32 CKV2_AWS_42 CKV2_AWS_47 CKV2_AWS_72 AVD-AWS-0010 AVD-AWS-0011 AVD-AWS-0012 AVD-AWS-0013",
	"DNS":                                "CKV2_AWS_38 CKV2_AWS_39",
	"audit trail":                        "CKV_AWS_67 CKV_AWS_36 CKV_AWS_35 CKV_AWS_252 CKV2_AWS_10 AVD-AWS-0014 AVD-AWS-0015 AVD-AWS-0016",
	"log groups":                         "CKV_AWS_66 CKV_AWS_338 CKV_AWS_158 AVD-AWS-0017",
	"keys":                               "CKV_AWS_7 CKV_AWS_33 CKV2_AWS_64 AVD-AWS-0065",
	"buckets":                            "CKV_AWS_21 CKV_AWS_145 CKV_AWS_18 CKV2_AWS_6 CKV2_AWS_61",
	"backup":                             "CKV_AWS_166 CKV2_AWS_8",
	"threat detection":                   "CKV2_AWS_3",
	"isolated pods":                      "CKV2_K8S_6",
	"restricted pods": "KSV001 KSV003 KSV012 KSV014 KSV020 KSV021 KSV030 KSV104 KSV106 " +
		"CKV_K8S_20 CKV_K8S_22 CKV_K8S_23 CKV_K8S_31 CKV_K8S_37 CKV_K8S_40",
	"pods":               "KSV011 KSV015 KSV016 KSV018 CKV_K8S_8 CKV_K8S_9 CKV_K8S_10 CKV_K8S_11 CKV_K8S_12 CKV_K8S_13 CKV_K8S_38 CKV_K8S_43",
	"secrets and rights": "CKV_K8S_35 CKV_K8S_49 CKV2_K8S_5",
	"bounds":             "KSV039 KSV040",
}

// linters are the controls that kube-score and kube-linter have names for.
var linters = []string{
	"kube-score deployment-has-poddisruptionbudget", "kube-score pod-topology-spread-constraints",
	"kube-score deployment-has-host-podantiaffinity", "kube-score pod-networkpolicy", "kube-score pod-probes-identical",
	"kube-score container-resources", "kube-linter minimum-three-replicas", "kube-linter no-anti-affinity",
	"kube-linter non-isolated-pod", "kube-linter run-as-non-root", "kube-linter no-read-only-root-fs",
	"kube-linter privilege-escalation-container", "kube-linter drop-net-raw-capability", "kube-linter latest-tag",
	"kube-linter default-service-account", "kube-linter read-secret-from-env-var",
}

func TestEveryControlHasARule(t *testing.T) {
	t.Parallel()
	var claimed []string
	for _, rule := range Rules() {
		claimed = append(claimed, rule.IDs...)
	}
	for control, ids := range controls {
		for _, id := range strings.Fields(ids) {
			if !slices.Contains(claimed, id) {
				t.Errorf("%s: no rule has %s", control, id)
			}
		}
	}
	for _, id := range linters {
		if !slices.Contains(claimed, id) {
			t.Errorf("no rule has %s", id)
		}
	}
}
