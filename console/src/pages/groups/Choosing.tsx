import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Select, { type SelectProps } from "@cloudscape-design/components/select";

import { To } from "../../app/places.tsx";
import { useCall } from "../../shared/useCall.ts";
import { wordsOf } from "../../shared/problems.ts";
import { titleOf, useSyncedPages } from "./named.ts";

interface FieldProps<Value> {
  value: Value;
  onChange: (value: Value) => void;
  error?: string | undefined;
}

const ANY = { value: "", label: "Any synced page" };

/** One of the synced pages, or any of them: "". */
export function PageField({ value, onChange, error }: FieldProps<string>) {
  const { pages, loading, problem } = useSyncedPages();
  const options = [
    ANY,
    ...pages.map((one) => ({
      value: String(one.page_id),
      label: titleOf(one),
      description: one.title?.trim() ? one.name : "",
    })),
  ];
  return (
    <FormField
      label="Page"
      description="Actions on this page count."
      errorText={error ?? (problem && wordsOf(problem).text)}
      stretch
    >
      <Chooser
        options={options}
        value={value}
        onChange={onChange}
        loading={loading}
        placeholder="Choose a page"
        nothing="No page is synced yet."
      />
    </FormField>
  );
}

interface ActionfieldProps extends FieldProps<string> {
  /** What choosing none means; without it one must be chosen. */
  none?: string;
}

/** One of the actionfields that were seen on synced pages. */
export function ActionfieldField({ value, onChange, error, none }: ActionfieldProps) {
  const { data, problem, loading } = useCall(
    (api, signal) => api.get("/actionfields", { signal }),
    [],
  );
  const names = data?.items.map((one) => ({ value: one.name, label: one.name })) ?? [];
  const options = none === undefined ? names : [{ value: "", label: none }, ...names];
  return (
    <FormField
      label="ActionField"
      description={
        data?.items.length === 0 ? (
          <>
            None was seen on a synced page yet. Sync a page whose form has one in{" "}
            <To to="/pages">Pages</To>; its ActionFields are read from the actions that were taken.
          </>
        ) : (
          "A field of the page’s form. Those seen on synced pages can be chosen."
        )
      }
      errorText={error ?? (problem && wordsOf(problem).text)}
      stretch
    >
      <Chooser
        options={options}
        value={value}
        onChange={onChange}
        loading={loading && data === undefined}
        placeholder="Choose an ActionField"
        nothing="None was seen yet."
      />
    </FormField>
  );
}

const VALUE_TEXT =
  "Equals any of the field’s values, ignoring case and spaces around it. Without one any value " +
  "counts.";

/** A value of the ActionField; "" is any. */
export function ValueField(props: FieldProps<string> & { disabled?: boolean }) {
  return (
    <FormField
      label={
        <>
          Value <i>– optional</i>
        </>
      }
      description={VALUE_TEXT}
      errorText={props.error}
      stretch
    >
      <Input
        value={props.value}
        disabled={props.disabled ?? false}
        onChange={({ detail }) => props.onChange(detail.value)}
      />
    </FormField>
  );
}

interface ChooserProps {
  options: SelectProps.Option[];
  value: string;
  onChange: (value: string) => void;
  loading: boolean;
  placeholder: string;
  nothing: string;
}

/** A list to choose from, searched in where it is long. */
export function Chooser(props: ChooserProps) {
  const { options, value, onChange, loading, placeholder, nothing } = props;
  return (
    <Select
      options={options}
      selectedOption={options.find((one) => one.value === value) ?? null}
      onChange={({ detail }) => onChange(detail.selectedOption.value ?? "")}
      statusType={loading ? "loading" : "finished"}
      loadingText="Loading…"
      placeholder={placeholder}
      empty={nothing}
      filteringType={options.length > 8 ? "auto" : "none"}
      filteringAriaLabel="Search in the list"
      noMatch="Nothing is found."
      expandToViewport
      virtualScroll={options.length > 100}
    />
  );
}
