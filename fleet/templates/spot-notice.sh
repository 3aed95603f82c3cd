#!/bin/bash
# Stops the workers on this Spot instance when EC2 announces its interruption, so that they can release their work.
#
# EC2 announces it two minutes ahead. The ECS agent then sets the instance to DRAINING, but ECS stops tasks on such an
# instance by the service's deployment configuration: of four tasks, at 50 %, two (ECS Developer Guide, Draining
# container instances). Docker's own stop knows nothing of that. It is no conflict that both may stop a container: a
# second SIGTERM changes nothing for a worker, and the shorter time limit counts.
#
# Rebalance recommendations are left alone: they may come hours ahead, or without any interruption, and a draining
# instance would interrupt work that could have ended.
#
# Usage: spot-notice FLEET
set -u

fleet=$1
readonly METADATA=${CLOUDKON_IMDS_ENDPOINT:-http://169.254.169.254}/latest
readonly FAMILY=com.amazonaws.ecs.task-definition-family
# Seconds between two looks: EC2 User Guide, Spot Instance interruption notices.
readonly POLL=5
# Seconds between two looks for new containers once the interruption is announced.
readonly LOOK=1
# Seconds from the notice to the interruption.
readonly WARNING=120
# Seconds before the interruption at which Docker kills what still runs. With POLL, that is late enough for a worker
# with the longest StopSeconds (110).
readonly MARGIN=3
# Seconds before that at which a worker that still runs tasks is told to release them: after a late notice, StopSeconds
# may be too long. A worker needs as many to release its work.
readonly RELEASE=8
# Seconds that a container gets in any case: for a late notice, and for one whose time has passed.
readonly LEAST=10

declare -A stops=() # the process that stops it, by container
interruption=0      # when, in seconds since 1970; 0 without a notice

# Print an item of the instance's metadata; fail if it is missing (404), or if the service does not answer.
metadata() {
    local token
    token=$(curl -sf -m 2 -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" "$METADATA/api/token") &&
        curl -sf -m 2 -H "X-aws-ec2-metadata-token: $token" "$METADATA/meta-data/$1"
}

# Take the time of a notice such as {"action": "terminate", "time": "2017-09-18T08:22:00Z"}. If it can't be read, or is
# further ahead than it can be (a clock is wrong), it is two minutes after the first look.
schedule() {
    local now time=0
    now=$(date +%s)
    if [[ $1 =~ \"time\"[[:space:]]*:[[:space:]]*\"([^\"]+)\" ]]; then
        time=$(date -u -d "${BASH_REMATCH[1]}" +%s) || time=0
    fi
    if ((time == 0 || time > now + WARNING)); then
        time=$((interruption > 0 ? interruption : now + WARNING))
    fi
    ((interruption == time)) || echo "this instance is interrupted in $((time - now)) s: $1"
    interruption=$time
}

# Begin to stop each running worker that is not being stopped, all of them at the same time.
stop_workers() {
    local id family left
    while read -r id family; do
        [[ $family == "$fleet"-* ]] || continue
        left=$((interruption - MARGIN - $(date +%s)))
        if [[ -n ${stops[$id]-} ]] && kill -0 "${stops[$id]}" 2> /dev/null; then
            # SIGINT says so to a worker that stops. For one that is about to end, it changes nothing.
            ((left > RELEASE)) || docker kill --signal INT "$id" > /dev/null &
            continue
        fi
        ((left >= LEAST)) || left=$LEAST
        echo "stopping $id of $family within $left s"
        docker stop -t "$left" "$id" > /dev/null &
        stops[$id]=$!
    done < <(timeout 10 docker ps --filter "label=$FAMILY" --format "{{.ID}} {{.Label \"$FAMILY\"}}")
}

if [[ $(metadata instance-life-cycle) == on-demand ]]; then
    echo "not a Spot instance"
    exit 0
fi
while true; do
    if notice=$(metadata spot/instance-action); then
        schedule "$notice"
    elif ((interruption < $(date +%s))); then
        # A hibernated instance goes on later. Before that time, metadata that fails takes nothing back.
        interruption=0
    fi
    if ((interruption > 0)); then
        # Again and again: ECS may place a task before it knows that the instance is DRAINING.
        stop_workers
        sleep "$LOOK"
    else
        sleep "$POLL"
    fi
done
