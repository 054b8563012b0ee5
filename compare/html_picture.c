// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The picture as SVG, one path a colour: it is there without any script, and in print. The script adds what is under
 * the pointer, and the second way to colour the cells.
 */
#include <inttypes.h>

#include "compare/html.h"
#include "compare/text.h"

#define CELL 8u
#define LEFT 96u
#define RIGHT 24u
#define TOP 4u
#define HOLE_HEIGHT 22u
#define WIDTH (LEFT + PICTURE_COLUMNS * CELL + RIGHT)
/* An address at each row would run into the next. */
#define ROWS_PER_LABEL 4u
/* More framed cells than this hide what they stand in. */
#define MANY_ALARMS 60u

/* Where a region is drawn. */
struct box {
	const struct picture_region *region;
	uint64_t first_row; /**< rows are counted from address 0 */
	unsigned y, nr_rows;
};

static uint64_t first_cell(const struct picture *p, const struct picture_region *r)
{
	return r->start_pfn / p->cell_pages;
}

static struct box place_region(const struct picture *p, const struct picture_region *r, unsigned y)
{
	uint64_t first = first_cell(p, r);
	uint64_t first_row = first / PICTURE_COLUMNS, last_row = (first + r->nr_cells - 1) / PICTURE_COLUMNS;

	return (struct box){ r, first_row, y, (unsigned)(last_row - first_row + 1) };
}

static unsigned place_all(const struct picture *p, struct box boxes[PICTURE_MAX_REGIONS])
{
	unsigned y = TOP;

	for (size_t i = 0; i < p->nr_regions; i++) {
		if (i)
			y += HOLE_HEIGHT;
		boxes[i] = place_region(p, &p->regions[i], y);
		y += boxes[i].nr_rows * CELL;
	}
	return y + TOP;
}

/* Which corner has cell @i of the region? */
static void corner(const struct picture *p, const struct box *b, size_t i, unsigned *x, unsigned *y)
{
	uint64_t cell = first_cell(p, b->region) + i;

	*x = LEFT + (unsigned)(cell % PICTURE_COLUMNS) * CELL;
	*y = b->y + (unsigned)(cell / PICTURE_COLUMNS - b->first_row) * CELL;
}

static enum picture_state state_at(const struct picture *p, const struct box *b, size_t i)
{
	return picture_cell_state(&p->cells[b->region->first_cell + i]);
}

/* All cells of one state; neighbours in a row are one rectangle. */
static void draw_state(const struct picture *p, const struct box *boxes, enum picture_state s, FILE *to)
{
	bool any = false;

	for (size_t k = 0; k < p->nr_regions; k++) {
		for (size_t i = 0; i < boxes[k].region->nr_cells; i++) {
			unsigned x, y, len = 1;

			if (state_at(p, &boxes[k], i) != s)
				continue;
			corner(p, &boxes[k], i, &x, &y);
			while (i + 1 < boxes[k].region->nr_cells && state_at(p, &boxes[k], i + 1) == s &&
			       x + len * CELL < LEFT + PICTURE_COLUMNS * CELL) {
				len++;
				i++;
			}
			if (!any)
				fprintf(to, "<path data-s=\"%u\" fill=\"%s\" d=\"", s, html_state_colour(s));
			any = true;
			fprintf(to, "M%u %uh%uv%uh-%uz", x, y, len * CELL, CELL, len * CELL);
		}
	}
	if (any)
		fputs("\"/>\n", to);
}

/* The sign beside a row. */
static void draw_sign(unsigned y, enum picture_state s, FILE *to)
{
	fprintf(to, "<path d=\"M%u %ul8 -4v8z\" fill=\"%s\"/>\n", LEFT + PICTURE_COLUMNS * CELL + 6, y + CELL / 2,
		html_state_colour(s));
}

static size_t count_alarms(const struct picture *p)
{
	size_t nr = 0;

	for (size_t i = 0; i < p->nr_cells; i++) {
		enum picture_state s = picture_cell_state(&p->cells[i]);

		nr += s != PICTURE_STATES && picture_state_is_alarm(s);
	}
	return nr;
}

/* One page among thousands must not be overlooked: a frame around its cell, unless there are many, and a sign at its
 * row. */
static void draw_alarms(const struct picture *p, const struct box *boxes, FILE *to)
{
	unsigned out = count_alarms(p) > MANY_ALARMS ? 0 : 1;

	fprintf(to, "<g class=\"%s\">\n", out ? "alarm" : "alarms");
	for (size_t k = 0; k < p->nr_regions; k++) {
		unsigned marked = 0; /* y of the last row that has its sign */

		for (size_t i = 0; i < boxes[k].region->nr_cells; i++) {
			enum picture_state s = state_at(p, &boxes[k], i);
			unsigned x, y;

			if (s == PICTURE_STATES || !picture_state_is_alarm(s))
				continue;
			corner(p, &boxes[k], i, &x, &y);
			fprintf(to, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"%s\"/>\n", x - out,
				y - out, CELL + 2 * out, CELL + 2 * out, html_state_colour(s));
			if (y != marked)
				draw_sign(y, s, to);
			marked = y;
		}
	}
	fputs("</g>\n", to);
}

static void draw_address(const struct picture *p, uint64_t pfn, unsigned y, FILE *to)
{
	fprintf(to, "<text x=\"%u\" y=\"%u\">0x%" PRIx64 "</text>\n", LEFT - 8, y + CELL, pfn * p->page_size);
}

static void draw_addresses(const struct picture *p, const struct box *b, FILE *to)
{
	uint64_t row_pages = PICTURE_COLUMNS * p->cell_pages;

	draw_address(p, b->region->start_pfn, b->y, to);
	for (unsigned row = 2; row < b->nr_rows; row++)
		if ((b->first_row + row) % ROWS_PER_LABEL == 0)
			draw_address(p, (b->first_row + row) * row_pages, b->y + row * CELL, to);
}

static void draw_hole(const struct picture *p, const struct box *above, const struct box *below, FILE *to)
{
	unsigned y = below->y - HOLE_HEIGHT;
	uint64_t pages = below->region->start_pfn - above->region->end_pfn;
	char size[32];

	fprintf(to,
		"<g class=\"hole\"><rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"url(#hatch)\"/>"
		"<text x=\"%u\" y=\"%u\">%s in neither dump</text></g>\n",
		LEFT, y + 3, PICTURE_COLUMNS * CELL, HOLE_HEIGHT - 6, LEFT + PICTURE_COLUMNS * CELL / 2,
		y + HOLE_HEIGHT / 2 + 4, units_bytes(pages * p->page_size, size, sizeof(size)));
}

static void draw(const struct picture *p, FILE *to)
{
	struct box boxes[PICTURE_MAX_REGIONS];
	unsigned height = place_all(p, boxes);

	fprintf(to,
		"<svg id=\"map\" viewBox=\"0 0 %u %u\" role=\"img\" aria-label=\"physical memory by verdict\">\n"
		"<defs><pattern id=\"grid\" width=\"%u\" height=\"%u\" patternUnits=\"userSpaceOnUse\" x=\"%u\" "
		"y=\"0\">"
		"<path d=\"M0 0v%uM0 0h%u\" stroke=\"#fff\" stroke-width=\"1\" fill=\"none\"/></pattern>"
		"<pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
		"patternTransform=\"rotate(45)\">"
		"<path d=\"M0 0v6\" stroke=\"#d4d9de\" stroke-width=\"2\"/></pattern></defs>\n"
		"<g id=\"byverdict\">\n",
		WIDTH, height, CELL, CELL, LEFT, CELL, CELL);
	for (unsigned s = 0; s < PICTURE_STATES; s++)
		if (p->states[s])
			draw_state(p, boxes, s, to);
	fputs("</g>\n<g id=\"byclass\" hidden=\"hidden\"></g>\n", to);
	for (size_t i = 0; i < p->nr_regions; i++) {
		fprintf(to,
			"<svg x=\"0\" y=\"%u\" width=\"%u\" height=\"%u\"><rect x=\"%u\" width=\"%u\" height=\"%u\" "
			"fill=\"url(#grid)\"/></svg>\n",
			boxes[i].y, WIDTH, boxes[i].nr_rows * CELL, LEFT, PICTURE_COLUMNS * CELL,
			boxes[i].nr_rows * CELL);
		draw_addresses(p, &boxes[i], to);
		if (i)
			draw_hole(p, &boxes[i - 1], &boxes[i], to);
	}
	draw_alarms(p, boxes, to);
	fputs("<rect id=\"cursor\" width=\"8\" height=\"8\" hidden=\"hidden\"/>\n</svg>\n", to);
}

static void legend_entry(const char *list, unsigned key, const char *colour, const char *label, uint64_t pages,
			 FILE *to)
{
	char n[32];

	fprintf(to, "<li data-%s=\"%u\"><i style=\"background:%s\"></i>%s <b>%s</b></li>\n", list, key, colour, label,
		text_grouped(pages, n));
}

static void write_legend(const struct picture *p, FILE *to)
{
	char label[96];

	fputs("<ul class=\"legend\" id=\"verdicts\">\n", to);
	/* What is wrong first, then in the order of the states. */
	for (int alarm = 1; alarm >= 0; alarm--)
		for (unsigned s = 0; s < PICTURE_STATES; s++)
			if (p->states[s] && picture_state_is_alarm(s) == alarm)
				legend_entry("s", s, html_state_colour(s), html_state_label(s, label), p->states[s],
					     to);
	fputs("</ul>\n<ul class=\"legend\" id=\"classes\" hidden=\"hidden\">\n", to);
	for (unsigned c = 0; c < PICTURE_CLASSES; c++)
		if (p->classes[c])
			legend_entry("c", c, html_class_colour(c), html_class_label(c), p->classes[c], to);
	fputs("</ul>\n", to);
}

static void write_pairs(const uint32_t *counts, unsigned nr, FILE *to)
{
	const char *sep = "";

	putc('[', to);
	for (unsigned i = 0; i < nr; i++) {
		if (counts[i]) {
			fprintf(to, "%s%u,%" PRIu32, sep, i, counts[i]);
			sep = ",";
		}
	}
	putc(']', to);
}

static bool same_cell(const struct picture_cell *a, const struct picture_cell *b)
{
	for (unsigned i = 0; i < PICTURE_STATES; i++)
		if (a->states[i] != b->states[i])
			return false;
	for (unsigned i = 0; i < PICTURE_CLASSES; i++)
		if (a->classes[i] != b->classes[i])
			return false;
	return true;
}

/* [how many alike, [state, pages, ...], [class, pages, ...]] */
static void write_cells(const struct picture *p, FILE *to)
{
	for (size_t i = 0, n; i < p->nr_cells; i += n) {
		for (n = 1; i + n < p->nr_cells && same_cell(&p->cells[i], &p->cells[i + n]);)
			n++;
		fprintf(to, "%s[%zu,", i ? ",\n" : "", n);
		write_pairs(p->cells[i].states, PICTURE_STATES, to);
		putc(',', to);
		write_pairs(p->cells[i].classes, PICTURE_CLASSES, to);
		putc(']', to);
	}
}

static void write_ranges(const char *key, const struct range_list *list, FILE *to)
{
	fprintf(to, ",\n\"%s\":[", key);
	for (size_t i = 0; i < list->nr; i++)
		fprintf(to, "%s[%" PRIu64 ",%" PRIu64 "]", i ? "," : "", list->at[i].start, list->at[i].end);
	putc(']', to);
}

static void write_regions(const struct picture *p, FILE *to)
{
	struct box boxes[PICTURE_MAX_REGIONS];

	place_all(p, boxes);
	fputs(",\n\"regions\":[", to);
	for (size_t i = 0; i < p->nr_regions; i++) {
		const struct picture_region *r = &p->regions[i];

		fprintf(to, "%s[%u,%" PRIu64 ",%" PRIu64 ",%zu,%zu]", i ? "," : "", boxes[i].y, r->start_pfn,
			r->end_pfn, r->first_cell, r->nr_cells);
	}
	putc(']', to);
}

/* Numbers, and names that are ours: nothing of a dump, so nothing that could end the element. */
static void write_data(const struct compare_report *report, FILE *to)
{
	const struct picture *p = report->picture;
	char label[96];

	fprintf(to,
		"<script type=\"application/json\" id=\"data\">\n"
		"{\"pageSize\":%" PRIu32 ",\"cellPages\":%" PRIu64 ",\"columns\":%u,\"cell\":%u,\"left\":%u",
		p->page_size, p->cell_pages, PICTURE_COLUMNS, CELL, LEFT);
	write_regions(p, to);
	fputs(",\n\"states\":[", to);
	for (unsigned s = 0; s < PICTURE_STATES; s++)
		fprintf(to, "%s\"%s\"", s ? "," : "", p->states[s] ? html_state_label(s, label) : "");
	fputs("],\n\"classes\":[", to);
	for (unsigned c = 0; c < PICTURE_CLASSES; c++)
		fprintf(to, "%s[\"%s\",\"%s\"]", c ? "," : "", html_class_label(c), html_class_colour(c));
	putc(']', to);
	write_ranges("lost", &report->lost, to);
	write_ranges("unexplained", &report->unexplained, to);
	fputs(",\n\"cells\":[\n", to);
	write_cells(p, to);
	fputs("]}\n</script>\n", to);
}

void html_picture(const struct compare_report *report, FILE *to)
{
	const struct picture *p = report->picture;
	char cell[32], row[32], n[32];

	fprintf(to,
		"<section>\n<h2>Physical memory</h2>\n"
		"<p class=\"note\">One cell is %s %s (%s), one row %s. A cell shows what most of its pages are; where "
		"a single page "
		"is lost or unexplained, it shows that. <span class=\"scripted\" hidden=\"hidden\">Point at a cell to "
		"see what it "
		"holds; click to keep it. <label>Colour by <select id=\"view\"><option "
		"value=\"verdict\">verdict</option>"
		"<option value=\"class\">class of page</option></select></label></span></p>\n",
		text_grouped(p->cell_pages, n), p->cell_pages == 1 ? "page" : "pages",
		units_bytes(p->cell_pages * p->page_size, cell, sizeof(cell)),
		units_bytes(PICTURE_COLUMNS * p->cell_pages * p->page_size, row, sizeof(row)));
	draw(p, to);
	write_legend(p, to);
	fputs("<div id=\"detail\" class=\"detail\" hidden=\"hidden\"></div>\n", to);
	write_data(report, to);
	fputs("</section>\n", to);
}
