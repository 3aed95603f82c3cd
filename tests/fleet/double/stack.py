"""Creates, updates and deletes a stack's resources in the order of their dependencies, with an event for each step."""

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.resource import Resource, ResourceType
from tests.fleet.double.resource_types import RESOURCE_TYPES
from tests.fleet.double.stack_record import StackRecord
from tests.fleet.double.template import Scope, Template
from tests.fleet.double.timeline import Process

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

POLL_SECONDS: Final = 1.0
Step = Generator[float, None, None]
Work = Generator[float, None, str]
"""Steps that return the reason of a failure, or an empty string."""


class Stack(StackRecord):
    """``parameters`` are as given; SSM parameters are names."""

    def __init__(self, account: "Account", name: str, number: int) -> None:
        super().__init__(account, name, number)
        self.template: Template | None = None
        self.parameters: dict[str, str] = {}
        self.resources: dict[str, Resource] = {}
        self._replaced: dict[str, Resource] = {}
        """Old resources that an update replaced: deleted after its success, restored after its failure."""
        self.outputs: dict[str, str] = {}
        self._cancelled = False

    def create(self, template: Template, parameters: dict[str, str], tags: dict[str, str]) -> None:
        """Start to create everything; a failure is rolled back."""
        self.template, self.parameters, self.tags = template, parameters, tags
        self.set_status("CREATE_IN_PROGRESS")
        self.account.timeline.start(self._creating())

    def update(self, template: Template, parameters: dict[str, str], tags: dict[str, str]) -> None:
        """Start to update what differs; a failure is rolled back."""
        before = self.template, self.parameters, self.tags
        self.tags, self._replaced, self._cancelled = tags, {}, False
        self.set_status("UPDATE_IN_PROGRESS")
        self.account.timeline.start(self._updating(template, parameters, before))

    def cancel_update(self) -> None:
        """Let an update fail at its next step; it is rolled back then (API reference, CancelUpdateStack)."""
        self._cancelled = True

    def delete(self) -> None:
        """Start to delete everything that is not retained."""
        self.set_status("DELETE_IN_PROGRESS")
        self.account.timeline.start(self._deleting())

    def scope(self, template: Template, parameters: dict[str, str]) -> Scope:
        """Return the scope that resolves the template's values for this stack."""
        declared = template.body.get("Parameters", {})
        resolved = {
            name: self.account.ssm[value] if declared[name]["Type"].startswith("AWS::SSM::") else value
            for name, value in parameters.items()
        }
        account = self.account
        pseudo = {
            "AWS::Region": account.region,
            "AWS::AccountId": account.number,
            "AWS::Partition": account.partition,
            "AWS::StackName": self.name,
            "AWS::StackId": self.arn,
            "AWS::URLSuffix": account.dns_suffix,
        }
        return Scope(template, resolved, pseudo)

    def value(self, logical: str, attribute: str) -> str:
        """Return what ``Ref`` and ``Fn::GetAtt`` return for an existing resource."""
        one = self.resources[logical]
        if not attribute:
            return one.physical
        if attribute not in one.attributes:
            raise ApiError(
                "ValidationError", f"Template error: resource {logical} does not support attribute {attribute}"
            )
        return one.attributes[attribute]

    def _creating(self) -> Process:
        assert self.template
        failed = yield from self._create_and_update(self.template, self.parameters)
        if not failed:
            self._finish(self.template, "CREATE_COMPLETE")
            return
        self.set_status("ROLLBACK_IN_PROGRESS", failed)
        left = yield from self._delete_resources(list(self.resources), retain=False)
        self.set_status("ROLLBACK_FAILED" if left else "ROLLBACK_COMPLETE", left)

    def _updating(
        self,
        template: Template,
        parameters: dict[str, str],
        before: tuple[Template | None, dict[str, str], dict[str, str]],
    ) -> Process:
        assert before[0]
        failed = yield from self._create_and_update(template, parameters)
        done = "UPDATE_COMPLETE"
        if failed:
            self.set_status("UPDATE_ROLLBACK_IN_PROGRESS", failed)
            self._cancelled = False
            template, parameters, self.tags = before[0], before[1], before[2]
            done = "UPDATE_ROLLBACK_COMPLETE"
            new = {name: self.resources[name] for name in self._replaced}
            self.resources |= self._replaced
            self._replaced = new
            if again := (yield from self._create_and_update(template, parameters)):
                self.set_status("UPDATE_ROLLBACK_FAILED", again)
                return
        self.set_status(f"{done}_CLEANUP_IN_PROGRESS")
        wanted = template.wanted(self.scope(template, parameters))
        yield from self._delete_resources([name for name in self.resources if name not in wanted], retain=True)
        for old in self._replaced.values():
            if old.physical:
                RESOURCE_TYPES[old.kind].delete(old)
        self.template, self.parameters = template, parameters
        self._finish(template, done)

    def _deleting(self) -> Process:
        left = yield from self._delete_resources(list(self.resources), retain=True)
        self.set_status("DELETE_FAILED" if left else "DELETE_COMPLETE", left)

    def _finish(self, template: Template, status: str) -> None:
        scope = self.scope(template, self.parameters)
        found = template.body.get("Outputs", {})
        self.outputs = {name: str(scope.resolve(one["Value"], self.value)) for name, one in found.items()}
        self.set_status(status)

    def _create_and_update(self, template: Template, parameters: dict[str, str]) -> Work:
        """Create and update resources, in parallel where no dependency prevents it."""
        scope = self.scope(template, parameters)
        needs = {name: template.dependencies(name, scope) for name in template.wanted(scope)}
        done = set[str]()

        def ready(name: str) -> bool:
            return needs[name] <= done

        def step(name: str) -> Step:
            return self._create_or_update(template, scope, name, needs[name])

        return (yield from self._run_in_parallel(list(needs), ready, step, done))

    def _delete_resources(self, names: Iterable[str], *, retain: bool) -> Work:
        """Delete resources, dependents first; continue after failures and name them."""
        left, gone, failed = list(names), set[str](), list[str]()
        while left:
            kept = [name for name in self.resources if name not in gone]
            free = [name for name in left if not any(name in self.resources[other].needs for other in kept)]
            if not free:
                break
            for name in free:
                left.remove(name)
                reason = yield from self._run_in_parallel(
                    [name], lambda _: True, lambda one: self._delete_resource(one, retain), gone
                )
                if reason:
                    failed.append(name)
                else:
                    del self.resources[name]
            gone.clear()
        return f"The following resource(s) failed to delete: [{', '.join(failed)}]." if failed else ""

    def _run_in_parallel(
        self, names: list[str], ready: Callable[[str], bool], step: Callable[[str], Step], done: set[str]
    ) -> Work:
        """Run each resource's steps; the first failure cancels those still running."""
        timeline = self.account.timeline
        waiting, under_way = list(names), dict[str, tuple[float, Step]]()
        while waiting or under_way:
            if self._cancelled:
                return "User Initiated"
            for name in [name for name in waiting if ready(name)]:
                waiting.remove(name)
                under_way[name] = (timeline.now, step(name))
            assert under_way, f"{waiting} wait for one another"
            for name, (due, steps) in list(under_way.items()):
                if due > timeline.now:
                    continue
                try:
                    under_way[name] = (timeline.now + next(steps), steps)
                except StopIteration:
                    done.add(name)
                    del under_way[name]
                except ApiError as refused:
                    del under_way[name]
                    self._record_failure(name, refused.message)
                    for other in under_way:
                        self._record_failure(other, "Resource creation cancelled")
                    return f"The following resource(s) failed: [{name}]."
            yield POLL_SECONDS
        return ""

    def _create_or_update(self, template: Template, scope: Scope, name: str, needs: set[str]) -> Step:
        body, old = template.resources[name], self.resources.get(name)
        properties = scope.resolve(body.get("Properties", {}), self.value)
        kind = RESOURCE_TYPES[body["Type"]]
        if old is not None and old.physical and not kind.replaced(old.properties, properties):
            old.needs = needs
            if old.properties != properties:
                yield from self._update_resource(old, kind, properties)
            return
        made = Resource(self.account, name, body["Type"], properties, self.tags, self.name, needs)
        made.retained = body.get("DeletionPolicy") == "Retain"
        action = "UPDATE" if old is not None else "CREATE"
        self.resources[name] = made
        if old is not None and old.physical:
            self._replaced[name] = old
        self._record_event(made, f"{action}_IN_PROGRESS")
        yield kind.seconds
        self._raise_injected_failure(action, name)
        self.account.judge_step(made, "request")
        kind.create(made)
        self.account.judge_step(made, "create")
        yield from self._wait_until(made, kind.settled, kind)
        self._record_event(made, f"{action}_COMPLETE")

    def _update_resource(self, one: Resource, kind: ResourceType, properties: dict[str, Any]) -> Step:
        self._record_event(one, "UPDATE_IN_PROGRESS")
        yield kind.seconds
        self._raise_injected_failure("UPDATE", one.logical)
        self.account.judge_step(one, "update")
        one.properties = properties
        kind.update(one)
        yield from self._wait_until(one, kind.settled, kind)
        self._record_event(one, "UPDATE_COMPLETE")

    def _delete_resource(self, name: str, retain: bool) -> Step:
        one = self.resources[name]
        if one.retained and retain:
            self._record_event(one, "DELETE_SKIPPED")
            return
        if not one.physical:
            return
        kind = RESOURCE_TYPES[one.kind]
        self._record_event(one, "DELETE_IN_PROGRESS")
        yield kind.seconds
        self._raise_injected_failure("DELETE", name)
        self.account.judge_step(one, "delete")
        kind.delete(one)
        yield from self._wait_until(one, kind.gone, kind)
        self._record_event(one, "DELETE_COMPLETE")

    def _wait_until(self, one: Resource, there: Callable[[Resource], bool], kind: ResourceType) -> Step:
        until = self.account.timeline.now + kind.timeout
        while not there(one):
            if self.account.timeline.now > until:
                raise ApiError("NotStabilized", f"Exceeded attempts to wait for {one.physical}")
            yield POLL_SECONDS

    def _raise_injected_failure(self, action: str, name: str) -> None:
        if reason := self.account.cloudformation.failures.get((action, name)):
            raise ApiError("Injected", reason)

    def _record_failure(self, name: str, reason: str) -> None:
        one = self.resources.get(name)
        last = next((each["ResourceStatus"] for each in self.events if each["LogicalResourceId"] == name), "CREATE_")
        physical, kind = (one.physical, one.kind) if one else ("", "")
        self.add_event(name, physical, kind, f"{last.split('_')[0]}_FAILED", reason)

    def _record_event(self, one: Resource, status: str) -> None:
        self.add_event(one.logical, one.physical, one.kind, status)
