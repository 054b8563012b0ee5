// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel/zones.h"

#define MAX_NODES 4096u
#define MAX_ZONES 16u
#define MAX_ORDERS 32u
#define STRUCT_MAX_BYTES (UINT64_C(16) * MIB)

/* Bytes, all from VMCOREINFO. */
struct zone_layout {
	uint64_t node_data, nr_nodes;
	uint64_t zones, nr_zones; /* offsets in pglist_data */
	uint64_t zone_size, free_area, nr_orders, area_size, nr_free;
	bool has_counter;
	uint64_t counter; /* offset of vm_stat[NR_FREE_PAGES] in zone */
};

static bool learn(const struct vmcoreinfo *vi, struct zone_layout *l)
{
	uint64_t node_size, list_head, nr_lists;
	int64_t nr;

	if (!vmcoreinfo_symbol(vi, "node_data", &l->node_data) || !vmcoreinfo_length(vi, "node_data", &l->nr_nodes) ||
	    !vmcoreinfo_offset(vi, "pglist_data.node_zones", &l->zones) ||
	    !vmcoreinfo_offset(vi, "pglist_data.nr_zones", &l->nr_zones) ||
	    !vmcoreinfo_size(vi, "pglist_data", &node_size) || !vmcoreinfo_size(vi, "zone", &l->zone_size) ||
	    !vmcoreinfo_offset(vi, "zone.free_area", &l->free_area) ||
	    !vmcoreinfo_length(vi, "zone.free_area", &l->nr_orders) || !vmcoreinfo_size(vi, "free_area", &l->area_size) ||
	    !vmcoreinfo_size(vi, "list_head", &list_head) || !vmcoreinfo_length(vi, "free_area.free_list", &nr_lists))
		return false;
	if (l->nr_nodes > MAX_NODES || l->nr_orders > MAX_ORDERS || nr_lists > 64 || list_head > 64 ||
	    node_size > STRUCT_MAX_BYTES || l->zone_size > STRUCT_MAX_BYTES || l->area_size > STRUCT_MAX_BYTES)
		return false;
	l->has_counter = vmcoreinfo_offset(vi, "zone.vm_stat", &l->counter) &&
			 vmcoreinfo_number(vi, "NR_FREE_PAGES", &nr) && nr >= 0 && nr < 256 &&
			 l->counter < l->zone_size && span_within(l->counter + 8 * (uint64_t)nr, 8, l->zone_size);
	if (l->has_counter)
		l->counter += 8 * (uint64_t)nr;
	l->nr_free = nr_lists * list_head; /* struct free_area: the lists, and then their count */
	return span_within(l->nr_free, 8, l->area_size) && span_within(l->nr_zones, 4, node_size) &&
	       span_within(l->zones, l->zone_size, node_size) &&
	       span_within(l->free_area, l->nr_orders * l->area_size, l->zone_size);
}

static bool add_zone(struct kmodel *km, const struct zone_layout *l, uint64_t zone, struct zones_free *sum)
{
	uint64_t listed = 0, counted;

	for (uint64_t order = 0; order < l->nr_orders; order++) {
		uint64_t nr;

		if (kmodel_read_u64(km, zone + l->free_area + order * l->area_size + l->nr_free, &nr, NULL) != ST_OK ||
		    nr > UINT64_C(1) << 48 >> order)
			return false;
		listed += nr << order;
	}
	/* Unaccepted memory is counted as free and is on other lists; isolated pages are listed and not counted. */
	if (!l->has_counter || kmodel_read_u64(km, zone + l->counter, &counted, NULL) != ST_OK || counted >> 48)
		counted = listed;
	sum->listed += listed;
	sum->least += min_u64(listed, counted);
	sum->most += max_u64(listed, counted);
	return true;
}

bool zones_free_pages(struct kmodel *km, struct zones_free *free)
{
	struct zone_layout l;
	struct zones_free sum = { 0 };

	if (!km->pm->is_64bit || !learn(km->vi, &l))
		return false;
	for (uint64_t i = 0; i < l.nr_nodes; i++) {
		uint64_t node;
		uint32_t nr_zones;

		if (kmodel_read_u64(km, l.node_data + 8 * i, &node, NULL) != ST_OK)
			return false;
		if (!node)
			continue;
		if (kmodel_read_u32(km, node + l.nr_zones, &nr_zones, NULL) != ST_OK || nr_zones > MAX_ZONES)
			return false;
		for (uint32_t z = 0; z < nr_zones; z++)
			if (!add_zone(km, &l, node + l.zones + z * l.zone_size, &sum))
				return false;
	}
	*free = sum;
	return true;
}
