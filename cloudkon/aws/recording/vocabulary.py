"""Lists the words that a recording may show: AWS's and CloudKon's own. Every other word of a name is replaced."""

from typing import Final

_AWS: Final = """
    access account action active adjustment agent alarm alarms all allow amazon amazonaws api app application arn arns
    associate assumed attachment authorization auto autoscaling available average aws az backup balance based batch
    body bucket buckets capacity change changes chunk chunks cloud cloudformation cloudkon cloudwatch cluster cn com
    complete completed config container containerinsights containers cost count cpu create created creating creation
    credit current data database db default definition delete deleted deleting deletion deployment describe desired
    device dimension disabled dkr draining dynamic dynamodb ebs ec ec2 ecr ecs ecstask elastic elasticfilesystem elb
    email enabled end error events execution exit failed failure false fargate filter fips flight function gateway get
    gov group groups gp health high host http https iam id image images in inactive index inservice instance instances
    insights interface internal internet invalid item items key kms lambda large latest launch launchtemplate least
    lifecycle limit linux list lock log logical logs low managed max maximum me memory message messages metadata
    metric metrics micro min minimum mode model most name namespace nano network no none not null number object
    objects of ok on optimized optional order out parameter parameters pending percent performance period permission
    pipeline policy pool predefined primary private privatelink process processes profile project promote protect
    protected provider public put query queue queues range rds read recommended region registry release repository
    request requests resource resources response role roles root route rule run running runs s3 scalable scale scaling
    schedule secret secretsmanager security self serial service services set sha sha256 size sns spot sqs ssm stack
    state static status step store string sts subnet success sum system table tag tags target targettracking task
    tasks telemetry template test text throttled time to token topic total tracking traffic transit true type unit up
    update url us user users value values version versions view visibility visible volume volumes vpc wait write
    xlarge zone zones changeset stopped terminating terminated inprogress rollback activating attached attaching
    booting cleanup daemon deactivating deprovisioning detached detaching down healthy import initiated insufficient
    integer ineligible is launching local precreated provisioning rebalance rebalancing replica replace reboot retain
    review shutting skipped standby stopping suspended terminate unhealthy unknown warmed bytes json octet plain
    standard stream encoded prod az1 az2 az3 use1 use2 usw1 usw2 cidr association main
"""
_REGIONS: Final = """
    af ap ca central east eu gov il isob iso me mx north northeast northwest sa south southeast southwest us west cn
"""
_CLOUDKON: Final = """
    age animoto attempt attempts autoscale backlog busy cancelled chunk claim claimed compute dead digest done expires
    facts fleet flow handlers image latest lease ledger letter letters link links nothing owner per priority progress
    publish queue recovery refresh report results run runs shard shards skew slots stop succeeded failed tasks up warm
    waiting wake worker workers wanted window x86 arm arm64 x86_64 amd64 by node true false
"""
_ENGLISH: Final = """
    all also and any are because been but can cannot could did does done each else for found from had has have how its
    least less more must new not now old one only other our please same should some such than that the their them then
    there these they this those too two was were what when where which while who why will with without would you your
    bad bytes days hours minutes seconds exists exist required need needs used using wait again failed denied missing
"""
ENGLISH: Final = frozenset(_ENGLISH.split())
"""Words of AWS's sentences that stay there, even where somebody has named a thing so."""
WORDS: Final = frozenset(f"{_AWS} {_REGIONS} {_CLOUDKON}".split())
