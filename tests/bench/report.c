/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "bench/report.h"

/* A smaller share of clean rounds, or quartiles further apart than this share of the result: not to be trusted. */
#define CLEAN  0.75
#define SPREAD 0.25

static bool is_trustworthy(const struct bench *bench, const struct result *r)
{
	/* A nanosecond is what the method resolves. */
	return r->clean >= CLEAN * bench->rounds &&
	       (r->high - r->low < SPREAD * r->ns || r->high - r->low < 1);
}

static json_t *make_case(const struct bench *bench, const struct bench_case *c,
			 const struct result *r)
{
	json_t *out =
		json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:i, s:i, s:b}", "name", c->name, "help",
			  c->help, "ns", r->ns, "low", r->low, "high", r->high, "multiple",
			  r->multiple, "clean_rounds", (int)r->clean, "disturbed_rounds",
			  (int)r->disturbed, "trustworthy", is_trustworthy(bench, r));

	if (c->limit != 0)
		json_object_set_new(out, "limit", json_real(c->limit));
	if (!c->knob)
		return out;
	json_object_set_new(out, "knob", json_string(knob_name(c->knob)));
	json_object_set_new(out, "off_ns", json_real(r->off_ns));
	json_object_set_new(out, "adds_ns", json_real(r->adds_ns));
	json_object_set_new(out, "adds_multiple", json_real(r->adds_multiple));
	json_object_set_new(out, "off_multiple", json_real(r->off_multiple));
	if (c->off_limit != 0)
		json_object_set_new(out, "off_limit", json_real(c->off_limit));
	return out;
}

/* The knobs that have no case, and why. */
static json_t *make_costless(void)
{
	json_t *out = json_object();

	for (enum bench_knob knob = KNOB_NONE + 1; knob < BENCH_KNOBS; knob++)
		if (knob_costless(knob))
			json_object_set_new(out, knob_name(knob), json_string(knob_costless(knob)));
	return out;
}

json_t *report_make(struct bench *bench, const struct results *results)
{
	json_t *rows = json_array(), *knobs = json_array();
	json_t *data = json_pack("{s:o, s:I, s:i, s:i, s:i, s:f, s:f, s:o, s:o, s:o}", "machine",
				 facts_machine(bench), "packets_a_run", (json_int_t)bench->packets,
				 "rounds_a_case", (int)bench->rounds, "rounds",
				 (int)results->rounds, "disturbed_rounds", (int)results->disturbed,
				 "null_ns", results->null_ns, "full_ns", results->full_ns, "cases",
				 rows, "knobs", knobs, "knobs_without_a_case", make_costless());

	for (size_t i = 0; i < case_count(); i++)
		if (bench_has(bench, case_at(i)))
			json_array_append_new(case_at(i)->knob ? knobs : rows,
					      make_case(bench, case_at(i), &results->cases[i]));
	if (!bench->only) {
		json_object_set_new(data, "program", facts_program(bench, WORLD_DEFAULT));
		json_object_set_new(data, "program_all", facts_program(bench, WORLD_ALL));
		json_object_set_new(data, "memory", facts_memory(bench));
		json_object_set_new(data, "maglev", facts_maglev());
		json_object_set_new(data, "agent", agent_run(bench));
		json_object_set_new(data, "live", live_run(bench));
	}
	return json_pack("{s:i, s:s, s:o}", "version", 1, "kind", "bench", "data", data);
}

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static const char *string(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static const char *remark(const json_t *row)
{
	if (!json_boolean_value(json_object_get(row, "trustworthy")))
		return "not trustworthy: the machine was too busy";
	if (json_object_get(row, "limit") && number(row, "multiple") > number(row, "limit"))
		return "over its limit";
	if (json_object_get(row, "off_limit") &&
	    number(row, "off_multiple") > number(row, "off_limit"))
		return "over its limit";
	return "";
}

static void print_cases(const json_t *data, FILE *to)
{
	const json_t *row;
	size_t i;

	if (json_array_size(json_object_get(data, "cases")))
		fprintf(to, "%-17s %6s %13s %8s %6s %8s  %s\n", "case", "ns", "quartiles", "x full",
			"limit", "rounds", "");
	json_array_foreach(json_object_get(data, "cases"), i, row)
	{
		char limit[16] = "", rounds[24], quartiles[32];

		if (json_object_get(row, "limit"))
			snprintf(limit, sizeof(limit), "%.1f", number(row, "limit"));
		snprintf(rounds, sizeof(rounds), "%.0f+%.0f", number(row, "clean_rounds"),
			 number(row, "disturbed_rounds"));
		snprintf(quartiles, sizeof(quartiles), "%.1f-%.1f", number(row, "low"),
			 number(row, "high"));
		fprintf(to, "%-17s %6.1f %13s %8.2f %6s %8s  %s%s%s\n", string(row, "name"),
			number(row, "ns"), quartiles, number(row, "multiple"), limit, rounds,
			string(row, "help"), *remark(row) ? "; " : "", remark(row));
	}
	fprintf(to,
		"\nns: net of the driver (%.1f ns), median of the rounds; x full: multiple of the "
		"full floor "
		"(%.1f ns) in the\nsame rounds; rounds: clean + run again because something "
		"disturbed them "
		"(%.0f of %.0f); %.0f packets a run\n",
		number(data, "null_ns"), number(data, "full_ns"), number(data, "disturbed_rounds"),
		number(data, "rounds"), number(data, "packets_a_run"));
}

/* What each knob adds, and then those of which there is nothing to say but why. */
static void print_knobs(const json_t *data, FILE *to)
{
	json_t *row, *costless = json_object_get(data, "knobs_without_a_case");
	const char *name;
	size_t i;

	if (!json_array_size(json_object_get(data, "knobs")))
		return;
	fprintf(to, "\n%-15s %-17s %6s %8s %7s %7s %8s %6s %6s %8s\n", "knob", "case", "ns",
		"x full", "off ns", "adds ns", "x full", "x off", "limit", "rounds");
	json_array_foreach(json_object_get(data, "knobs"), i, row)
	{
		char limit[16] = "", rounds[24];

		if (json_object_get(row, "off_limit"))
			snprintf(limit, sizeof(limit), "%.1f", number(row, "off_limit"));
		snprintf(rounds, sizeof(rounds), "%.0f+%.0f", number(row, "clean_rounds"),
			 number(row, "disturbed_rounds"));
		fprintf(to, "%-15s %-17s %6.1f %8.2f %7.1f %+7.1f %+8.2f %6.2f %6s %8s  %s%s%s\n",
			string(row, "knob"), string(row, "name"), number(row, "ns"),
			number(row, "multiple"), number(row, "off_ns"), number(row, "adds_ns"),
			number(row, "adds_multiple"), number(row, "off_multiple"), limit, rounds,
			string(row, "help"), *remark(row) ? "; " : "", remark(row));
	}
	fprintf(to, "\noff, adds: the same packet in the same rounds with the knob off, without "
		    "VLAN tags "
		    "(of too_big_answers: when all\nanswers are given); limit: of x off. Without a "
		    "case:\n");
	json_object_foreach(costless, name, row)
		fprintf(to, "%-15s %s\n", name, json_string_value(row));
}

static void print_program(const json_t *program, const char *name, FILE *to)
{
	fprintf(to,
		"%s: %.0f instructions verified, %.0f as it runs, %.0f bytes of machine code, "
		"helper calls: %.0f\n",
		name, number(program, "verified_instructions"),
		number(program, "xlated_instructions"), number(program, "jit_bytes"),
		number(program, "helper_calls"));
}

static void print_memory(const json_t *memory, FILE *to)
{
	json_t *maps = json_object_get(memory, "maps"), *bytes;
	const char *name;

	fprintf(to, "\nmaps at the default limits: %.1f MiB (",
		number(memory, "total") / (1 << 20));
	json_object_foreach(maps, name, bytes)
	{
		if (json_integer_value(bytes) >= 1 << 20)
			fprintf(to, "%s %.1f, ", name, json_number_value(bytes) / (1 << 20));
	}
	fprintf(to,
		"the others under 1 each)\n%.0f bytes a flow entry; new flows: the first one "
		"without room at "
		"%.0f %% load, one in 1,000 at %.0f %%: %.0f bytes a flow then\n",
		number(memory, "flow_entry"), 100 * number(memory, "load_first_refused"),
		100 * number(memory, "load_rarely_refused"),
		number(memory, "flow_entry") / number(memory, "load_rarely_refused"));
}

static void print_maglev(const json_t *rows, FILE *to)
{
	const json_t *row;
	size_t i;

	fprintf(to,
		"\n%9s %9s %9s %9s   Maglev table; slots that a change of one backend touches: its "
		"own "
		"+ others\n",
		"backends", "slots", "build ms", "max/avg");
	json_array_foreach(rows, i, row)
	{
		double share = number(row, "moved") / number(row, "slots");

		fprintf(to,
			"%9.0f %9.0f %9.2f %9.3f   %.0f + %.0f, %.2f %%: of 1 M flows %.0f are "
			"looked up\n",
			number(row, "backends"), number(row, "slots"), number(row, "build_ms"),
			number(row, "max_over_average"), number(row, "moved_at_least"),
			number(row, "moved") - number(row, "moved_at_least"), 100 * share,
			1e6 * share);
	}
}

static void print_agent(const json_t *rows, FILE *to)
{
	const json_t *row;
	size_t i;

	fprintf(to,
		"\n%9s %9s %9s %9s   the agent: every slot changes, planned and stored; one scan\n",
		"slots", "entries", "change ms", "scan ms");
	json_array_foreach(rows, i, row)
	{
		bool over = number(row, "scan_ms") > number(row, "scan_limit_ms") ||
			    (json_object_get(row, "change_limit_ms") &&
			     number(row, "change_ms") > number(row, "change_limit_ms"));

		fprintf(to, "%9.0f %9.0f %9.2f %9.2f   %s\n", number(row, "slots"),
			number(row, "entries"), number(row, "change_ms"), number(row, "scan_ms"),
			over ? "over its limit" : "");
	}
}

static void print_live(const json_t *rows, FILE *to)
{
	const json_t *row;
	size_t i;

	fprintf(to,
		"\nend to end: veth, native XDP, generator and sink on the same CPU\n%-17s %6s "
		"%6s\n",
		"", "Mpps", "ns");
	json_array_foreach(rows, i, row)
	{
		fprintf(to, "%-17s %6.2f %6.0f\n", string(row, "name"), number(row, "mpps"),
			number(row, "ns"));
	}
}

void report_print(const json_t *report, FILE *to)
{
	const json_t *data = json_object_get(report, "data"),
		     *machine = json_object_get(data, "machine");

	fprintf(to,
		"kernel %s, %s, CPU %.0f of %.0f, load %s\nspectre_v2: %s\nspec_rstack_overflow: "
		"%s\n\n",
		string(machine, "kernel"), string(machine, "cpu_model"), number(machine, "cpu"),
		number(machine, "cpus"), string(machine, "load"), string(machine, "spectre_v2"),
		string(machine, "spec_rstack_overflow"));
	print_cases(data, to);
	print_knobs(data, to);
	if (!json_object_get(data, "program"))
		return;
	fputc('\n', to);
	print_program(json_object_get(data, "program"), "balancer", to);
	print_program(json_object_get(data, "program_all"), "balancer, every feature on", to);
	print_memory(json_object_get(data, "memory"), to);
	print_maglev(json_object_get(data, "maglev"), to);
	print_agent(json_object_get(data, "agent"), to);
	print_live(json_object_get(data, "live"), to);
}
