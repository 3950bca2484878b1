import { Alert, Button, Checkbox, Group, Modal, Stack, Text, Title } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { Failed, Loading } from "../../components/States";
import { refreshFlows } from "./actions";
import { RestoreItems } from "./RestoreItems";
import { versionInWords } from "./versions";
import { WishesForm } from "./WishesForm";
import { WizardPlan } from "./WizardPlan";
import { type Chosen, plural, restoreLabel, restoreRequest, WISHES } from "./wizard";

const STEPS = { choose: "What to restore", look: "What would happen", done: "What was done" };
type Step = keyof typeof STEPS;

/** Puts workflows of a version back into n8n: asks, shows what would happen, does it. */
export function RestoreWizard({ source, flows, close }: { source: string; flows: Chosen[]; close: () => void }) {
  const [step, setStep] = useState<Step>("choose");
  const [ids, setIds] = useState(flows.map(({ id }) => id));
  const [wishes, setWishes] = useState(WISHES);
  const [isAccepted, setAccepted] = useState(false);
  const [restoreId, setRestoreId] = useState<number>();
  const isSmall = useMediaQuery("(max-width: 48em)");
  const heading = useRef<HTMLHeadingElement>(null);
  const preview = useMutation({
    mutationFn: () =>
      api.post<Schemas["FlowRestorePreview"]>("/api/flows/restore/preview", restoreRequest(source, ids, wishes)),
    onSuccess: () => {
      setAccepted(false);
      setStep("look");
    },
  });
  const restore = useMutation({
    mutationFn: () =>
      api.post<Schemas["FlowRestoreDetail"]>(
        "/api/flows/restore",
        restoreRequest(source, ids, wishes, isAccepted && (preview.data?.is_newer ?? false)),
      ),
    onSuccess: (done) => {
      queryClient.setQueryData(queries.flowRestore(done.id).queryKey, done);
      setRestoreId(done.id);
      setStep("done");
    },
    onSettled: refreshFlows,
  });
  // Who cannot see that the step changed is told by the heading.
  useEffect(() => {
    if (step !== "choose") heading.current?.focus();
  }, [step]);
  const plan = preview.data;
  const isReady = plan && plan.write_count > 0 && (!plan.is_newer || isAccepted);
  return (
    <Modal
      opened
      onClose={close}
      size="xl"
      fullScreen={isSmall}
      title={`Restore from ${versionInWords(source)}`}
      closeOnClickOutside={false}
    >
      <Stack>
        <div>
          <Text size="sm" c="dimmed">
            Step {Object.keys(STEPS).indexOf(step) + 1} of 3
          </Text>
          <Title order={3} size="h4" ref={heading} tabIndex={-1} style={{ outline: "none", scrollMarginTop: 110 }}>
            {STEPS[step]}
          </Title>
        </div>
        {step === "choose" ? (
          <>
            <Flows flows={flows} ids={ids} setIds={setIds} />
            <WishesForm source={source} wishes={wishes} setWishes={setWishes} error={preview.error} />
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>
                Leave it
              </Button>
              <Button loading={preview.isPending} disabled={ids.length === 0} onClick={() => preview.mutate()}>
                See what would happen
              </Button>
            </Group>
          </>
        ) : null}
        {step === "look" && plan ? (
          <>
            <Text size="sm">
              Nothing was changed yet. Whatever is restored is inactive; you switch on what is to run.
            </Text>
            <WizardPlan plan={plan} />
            {plan.is_newer ? (
              <Checkbox
                label="Restore it all the same, into the older n8n"
                description="This n8n may not know everything that the newer one wrote."
                checked={isAccepted}
                onChange={(event) => setAccepted(event.currentTarget.checked)}
              />
            ) : null}
            {restore.error ? (
              <Alert color="red" role="alert" title="That did not work">
                {restore.error.message}
              </Alert>
            ) : null}
            <Group justify="space-between">
              <Button
                variant="default"
                disabled={restore.isPending}
                onClick={() => {
                  restore.reset();
                  setStep("choose");
                }}
              >
                Back
              </Button>
              <Button loading={restore.isPending} disabled={!isReady} onClick={() => restore.mutate()}>
                {restoreLabel(plan.write_count)}
              </Button>
            </Group>
          </>
        ) : null}
        {step === "done" && restoreId !== undefined ? (
          <>
            <Result id={restoreId} />
            <Group justify="flex-end">
              <Button onClick={close}>Close</Button>
            </Group>
          </>
        ) : null}
      </Stack>
    </Modal>
  );
}

function Flows({ flows, ids, setIds }: { flows: Chosen[]; ids: string[]; setIds: (ids: string[]) => void }) {
  const [only] = flows;
  if (flows.length === 1 && only) {
    return (
      <Text style={{ overflowWrap: "anywhere" }}>
        Workflow <b>{only.name}</b>
      </Text>
    );
  }
  return (
    <Checkbox.Group label={`${ids.length} of ${plural(flows.length, "workflow")}`} value={ids} onChange={setIds}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section tabIndex={0} aria-label="Chosen workflows" style={{ maxHeight: 180, overflowY: "auto", marginTop: 8 }}>
        <Stack gap={6} p={4}>
          {flows.map(({ id, name }) => (
            <Checkbox key={id} value={id} label={name} />
          ))}
        </Stack>
      </section>
    </Checkbox.Group>
  );
}

const OUTCOMES: Record<string, { color: string; text: string }> = {
  done: { color: "teal", text: "It is done. What was restored is inactive; switch it on in n8n." },
  partly: { color: "orange", text: "A part is done. What was restored is inactive; see below what was not." },
  failed: { color: "red", text: "Nothing was restored. See below why." },
  running: { color: "blue", text: "It is being done." },
};

function Result({ id }: { id: number }) {
  const restore = useQuery(queries.flowRestore(id));
  if (restore.isPending) return <Loading lines={2} />;
  if (restore.isError) return <Failed error={restore.error} retry={() => void restore.refetch()} />;
  const { status, items } = restore.data;
  const written = items.filter((item) => item.status === "done");
  const isNothing = status === "done" && written.length === 0;
  const isUndone = written.length > 0 && written.every((item) => item.undone_at);
  const outcome = isUndone
    ? { color: "gray", text: "It was undone." }
    : isNothing
      ? { color: "gray", text: "There was nothing to change; see below why." }
      : OUTCOMES[status];
  return (
    <>
      <Alert color={outcome?.color ?? "gray"} role="status">
        {outcome?.text ?? status}
      </Alert>
      <RestoreItems items={items} />
    </>
  );
}
