'use strict';
(function () {
	var data = JSON.parse(document.getElementById('data').textContent);
	var map = document.getElementById('map'), cursor = document.getElementById('cursor');
	var detail = document.getElementById('detail'), tip = document.createElement('div');
	var byVerdict = document.getElementById('byverdict'), byClass = document.getElementById('byclass');
	var cells = [], pinned = null;

	data.cells.forEach(function (run) {
		for (var i = 0; i < run[0]; i++)
			cells.push(run);
	});
	tip.className = 'detail float';
	tip.hidden = true;
	document.body.appendChild(tip);

	function hex(n) { return '0x' + n.toString(16); }
	function grouped(n) { return String(n).replace(/\B(?=(\d{3})+$)/g, ','); }
	function address(pfn) { return '0x' + (BigInt(pfn) * BigInt(data.pageSize)).toString(16); }

	/* A cell: its region, its number in it, its corner, its pages. */
	function cellAt(region, i) {
		var r = data.regions[region], n = Math.floor(r[1] / data.cellPages) + i, row0 = Math.floor(Math.floor(r[1] / data.cellPages) / data.columns);
		return {
			index: r[3] + i,
			x: data.left + n % data.columns * data.cell,
			y: r[0] + (Math.floor(n / data.columns) - row0) * data.cell,
			start: Math.max(n * data.cellPages, r[1]),
			end: Math.min((n + 1) * data.cellPages, r[2])
		};
	}

	function cellOfPfn(pfn) {
		for (var k = 0; k < data.regions.length; k++) {
			var r = data.regions[k];
			if (pfn >= r[1] && pfn < r[2])
				return cellAt(k, Math.floor(pfn / data.cellPages) - Math.floor(r[1] / data.cellPages));
		}
		return null;
	}

	function cellUnder(event) {
		var box = map.getBoundingClientRect(), scale = map.viewBox.baseVal.width / box.width;
		var column = Math.floor(((event.clientX - box.left) * scale - data.left) / data.cell);
		var y = (event.clientY - box.top) * scale;
		if (column < 0 || column >= data.columns)
			return null;
		for (var k = 0; k < data.regions.length; k++) {
			var r = data.regions[k], first = Math.floor(r[1] / data.cellPages), row = Math.floor((y - r[0]) / data.cell);
			var i = (Math.floor(first / data.columns) + row) * data.columns + column - first;
			if (row >= 0 && i >= 0 && i < r[4])
				return cellAt(k, i);
		}
		return null;
	}

	function element(parent, tag, text, className) {
		var e = document.createElement(tag);
		if (text !== undefined)
			e.textContent = text;
		if (className)
			e.className = className;
		parent.appendChild(e);
		return e;
	}

	function addCounts(table, pairs, label) {
		for (var i = 0; i < pairs.length; i += 2) {
			var row = element(table, 'tr');
			element(row, 'td', grouped(pairs[i + 1]), 'n');
			element(row, 'td', label(pairs[i]));
		}
	}

	function addRanges(box, name, ranges, cell) {
		var hit = ranges.filter(function (r) { return r[0] < cell.end && r[1] > cell.start; });
		if (!hit.length)
			return;
		element(box, 'div', name + ': PFN ' + hit.slice(0, 8).map(function (r) {
			var a = Math.max(r[0], cell.start), b = Math.min(r[1], cell.end) - 1;
			return a === b ? hex(a) : hex(a) + ' to ' + hex(b);
		}).join(', ') + (hit.length > 8 ? ', ...' : ''), 'bad');
	}

	function describe(box, cell) {
		var run = cells[cell.index], there = 0, table, row;
		box.textContent = '';
		element(box, 'div', 'PFN ' + hex(cell.start) + ' to ' + hex(cell.end - 1) + '   (' + grouped(cell.end - cell.start) +
			(cell.end - cell.start === 1 ? ' page)' : ' pages)'), 'm');
		element(box, 'div', 'bytes ' + address(cell.start) + ' to ' + address(cell.end), 'm dim');
		addRanges(box, 'lost', data.lost, cell);
		addRanges(box, 'unexplained', data.unexplained, cell);
		table = element(box, 'table');
		addCounts(table, run[1], function (s) { return data.states[s]; });
		for (var i = 1; i < run[1].length; i += 2)
			there += run[1][i];
		if (there < cell.end - cell.start)
			addCounts(table, [0, cell.end - cell.start - there], function () { return 'in neither dump'; });
		if (run[2].length) {
			row = element(table, 'tr');
			element(row, 'td');
			element(row, 'td', 'class: ' + pairsText(run[2]), 'dim');
		}
	}

	function pairsText(pairs) {
		var out = [];
		for (var i = 0; i < pairs.length; i += 2)
			out.push(data.classes[pairs[i]][0] + ' ' + grouped(pairs[i + 1]));
		return out.join(', ');
	}

	function showCursor(cell) {
		cursor.removeAttribute('hidden');
		cursor.setAttribute('x', cell.x);
		cursor.setAttribute('y', cell.y);
	}

	function leave() {
		tip.hidden = true;
		if (pinned)
			showCursor(pinned);
		else
			cursor.setAttribute('hidden', 'hidden');
	}

	function pin(cell) {
		pinned = cell;
		detail.hidden = !cell;
		if (cell) {
			describe(detail, cell);
			showCursor(cell);
		}
	}

	map.addEventListener('mousemove', function (event) {
		var cell = cellUnder(event);
		if (!cell)
			return leave();
		showCursor(cell);
		describe(tip, cell);
		tip.hidden = false;
		tip.style.left = Math.max(4, Math.min(event.pageX + 16, document.documentElement.clientWidth - tip.offsetWidth - 8)) + 'px';
		tip.style.top = event.pageY + 18 + 'px';
	});
	map.addEventListener('mouseleave', leave);
	map.addEventListener('click', function (event) { pin(cellUnder(event)); });

	/* The second colouring is drawn when it is first asked for. */
	function drawClasses() {
		var paths = {};
		data.regions.forEach(function (r, k) {
			for (var i = 0; i < r[4]; i++) {
				var cell = cellAt(k, i), pairs = cells[cell.index][2], best = -1;
				for (var j = 0; j < pairs.length; j += 2)
					if (best < 0 || pairs[j + 1] > pairs[best + 1])
						best = j;
				if (best >= 0)
					paths[pairs[best]] = (paths[pairs[best]] || '') + 'M' + cell.x + ' ' + cell.y + 'h' + data.cell + 'v' +
						data.cell + 'h-' + data.cell + 'z';
			}
		});
		Object.keys(paths).forEach(function (c) {
			var path = document.createElementNS(map.namespaceURI, 'path');
			path.setAttribute('d', paths[c]);
			path.setAttribute('fill', data.classes[c][1]);
			path.setAttribute('data-c', c);
			byClass.appendChild(path);
		});
	}

	function show(e, visible) {
		if (visible)
			e.removeAttribute('hidden');
		else
			e.setAttribute('hidden', 'hidden');
	}

	document.getElementById('view').addEventListener('change', function () {
		var verdict = this.value === 'verdict';
		if (!verdict && !byClass.firstChild)
			drawClasses();
		show(byVerdict, verdict);
		show(byClass, !verdict);
		show(document.getElementById('verdicts'), verdict);
		show(document.getElementById('classes'), !verdict);
	});

	/* Pointing at the legend leaves only those cells lit. */
	['s', 'c'].forEach(function (key) {
		document.querySelectorAll('.legend li[data-' + key + ']').forEach(function (li) {
			var select = 'path[data-' + key + '="' + li.getAttribute('data-' + key) + '"]';
			li.addEventListener('mouseenter', function () {
				map.querySelectorAll(select).forEach(function (p) { p.classList.add('lit'); });
				map.classList.add('dimmed');
			});
			li.addEventListener('mouseleave', function () {
				map.querySelectorAll('.lit').forEach(function (p) { p.classList.remove('lit'); });
				map.classList.remove('dimmed');
			});
		});
	});

	document.querySelectorAll('a.pfn').forEach(function (a) {
		a.addEventListener('click', function () { pin(cellOfPfn(Number(a.getAttribute('data-pfn')))); });
	});
	document.querySelectorAll('.scripted').forEach(function (e) { e.removeAttribute('hidden'); });

	/* Start with what matters most. */
	var first = data.lost[0] || data.unexplained[0];
	if (first)
		pin(cellOfPfn(first[0]));
	document.documentElement.setAttribute('data-cells', cells.length);
})();
