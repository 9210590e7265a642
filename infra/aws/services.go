package aws

// Names of the services' accounts in the cluster, of their users in the
// database, and of their repositories.
const (
	apiService         = "api"
	consumerService    = "consumer"
	migrateService     = "migrate"
	autoscalerService  = "autoscaler"
	healthcheckService = "healthcheck"
	nodeAutoscaler     = "node-autoscaler"
)

// namespace is where they all run, and what their identities are bound to.
const namespace = "trivet"

// imagesOf are the services' images. A schema is migrated by the program that
// uses it, so that the two are never of different versions.
var imagesOf = map[string]string{
	apiService:         apiService,
	consumerService:    consumerService,
	migrateService:     apiService,
	autoscalerService:  autoscalerService,
	healthcheckService: healthcheckService,
}
