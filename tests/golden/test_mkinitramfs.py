# SPDX-License-Identifier: GPL-2.0-or-later
"""
The capture initramfs, from a modules tree made here: judged by gzip, cpio, sha256 and kmod's own depmod, which works the
dependencies out from the symbols of real object files.
"""
import gzip
import lzma
import os
import shutil
import subprocess

import pytest

RELEASE = '6.99.0-test'
# name -> (modules whose symbols it uses, what it is packed as)
MODULES = {
    'virtio_ring': ([], ''),
    'virtio': (['virtio_ring'], '.xz'),
    'virtio_pci': (['virtio'], '.zst'),
    'virtio_blk': (['virtio'], '.xz'),
    'jbd2': ([], ''),
    'ext4': (['jbd2'], '.xz'),
    'fat': ([], ''),
    'vfat': (['fat'], ''),
    'nls_cp437': ([], ''),
    'extra': ([], ''),
    # Never packed: nothing asks for it.
    'unrelated': ([], ''),
}
CONFIG = 'target = LABEL=crash   # the disk\nfstype = ext4\nkeep=5\n'


def compile_module(folder, name, needs):
    """An object file that exports and uses symbols as a module does; returns its bytes."""
    source = [f'char info[] __attribute__((section(".modinfo"))) = "license=GPL\\0name={name}";',
              f'char strings[] __attribute__((section("__ksymtab_strings"))) = "{name}_symbol";']
    source += [f'int {need}_symbol(void);' for need in needs]
    source += [f'int {name}_symbol(void) {{ return 1{"".join(f" + {need}_symbol()" for need in needs)}; }}']
    subprocess.run(['gcc', '-c', '-fno-pic', '-x', 'c', '-', '-o', folder / 'object.ko'], input='\n'.join(source), text=True,
                   check=True)
    return (folder / 'object.ko').read_bytes()


def pack(data, how):
    if how == '.xz':
        return lzma.compress(data, check=lzma.CHECK_CRC32)
    if how == '.zst':
        return subprocess.run(['zstd', '-q', '-c'], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    """(root that holds lib/modules, {name: plain bytes})"""
    work = tmp_path_factory.mktemp('modules')
    release = work / 'root/lib/modules' / RELEASE
    (release / 'kernel').mkdir(parents=True)
    plain = {}
    for name, (needs, how) in MODULES.items():
        plain[name] = compile_module(work, name, needs)
        (release / 'kernel' / f'{name}.ko{how}').write_bytes(pack(plain[name], how))
    (release / 'modules.builtin').write_text('kernel/drivers/scsi/sd_mod.ko\n')
    (release / 'modules.order').write_text('')
    subprocess.run(['depmod', '-b', work / 'root', RELEASE], check=True)
    return work / 'root', plain


def make(innercore, tree, folder, *options, config=CONFIG, name='image'):
    (folder / 'conf').write_text(config)
    output = folder / name
    done = subprocess.run([innercore, 'mkinitramfs', '-c', folder / 'conf', '--modules', tree[0], '-k', RELEASE, '-o', output,
                           *options], capture_output=True, text=True, check=False)
    return done, output


def unpack(image, folder):
    archive = gzip.decompress(image.read_bytes())
    names = subprocess.run(['cpio', '--quiet', '-t'], input=archive, stdout=subprocess.PIPE, check=True).stdout.decode().split()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    # Device nodes need root, and a test may not have it.
    subprocess.run(['cpio', '--quiet', '-i', '-f', 'dev/console'], input=archive, cwd=folder, check=True)
    return names, folder


def listed(folder):
    return [line.split('-', 1)[1].removesuffix('.ko') for line in (folder / 'modules/list').read_text().splitlines()]


def test_what_is_in_it(innercore, tree, tmp_path):
    done, image = make(innercore, tree, tmp_path, '--target-modules', 'virtio_blk')
    assert done.returncode == 0, done.stderr
    names, out = unpack(image, tmp_path / 'out')
    assert {'init', 'dev', 'proc', 'sys', 'run', 'mnt', 'dev/console', 'etc/innercore.conf', 'modules/list'} <= set(names)
    # virtio_pci carries virtio_blk's device; ext4 is what the configuration says.
    order = listed(out)
    assert sorted(order) == sorted(['virtio_ring', 'virtio', 'virtio_blk', 'virtio_pci', 'jbd2', 'ext4'])
    for name in order:
        for need in MODULES[name][0]:
            assert order.index(need) < order.index(name)
    for file in (out / 'modules').glob('*.ko'):
        assert file.read_bytes() == tree[1][file.name.split('-', 1)[1].removesuffix('.ko')], file.name
    assert {file.name for file in (out / 'modules').glob('*.ko')} == set((out / 'modules/list').read_text().split())
    assert image.stat().st_mode & 0o777 == 0o600


def test_init_is_this_program_and_runs(innercore, tree, tmp_path):
    done, image = make(innercore, tree, tmp_path, '--target-modules', 'virtio_blk')
    assert done.returncode == 0, done.stderr
    init = unpack(image, tmp_path / 'out')[1] / 'init'
    said = [subprocess.run([program, '--version'], capture_output=True, text=True, check=True).stdout
            for program in (init, innercore)]
    assert said[0] == said[1] and said[0].startswith('innercore')
    assert 'interpreter' not in subprocess.run(['file', '-b', init], capture_output=True, text=True, check=True).stdout


def test_small(innercore, tree, tmp_path):
    """design.md's promise, less what the modules of a real kernel need (the end-to-end tests weigh those too)."""
    done, image = make(innercore, tree, tmp_path, '--target-modules', 'virtio_blk')
    assert done.returncode == 0, done.stderr
    assert image.stat().st_size <= 1.4 * 1024 * 1024


def test_same_inputs_same_bytes(innercore, tree, tmp_path):
    images = []
    for number in range(2):
        folder = tmp_path / f'{number}'
        folder.mkdir()
        # Other spelling, other time, other folder, other environment: the same bytes.
        config = CONFIG if number == 0 else '\n# another\nkeep = 5\nfstype="ext4"\ntarget = "LABEL=crash"\n'
        os.environ['TZ'] = 'UTC' if number == 0 else 'Asia/Tokyo'
        done, image = make(innercore, tree, folder, '--target-modules', 'virtio_blk', config=config)
        assert done.returncode == 0, done.stderr
        images.append(image.read_bytes())
    del os.environ['TZ']
    assert images[0] == images[1]


def test_config_reaches_the_capture_kernel(innercore, tree, tmp_path):
    done, image = make(innercore, tree, tmp_path, '--target-modules', 'virtio_blk', config=CONFIG + 'modules_extra = extra\n')
    assert done.returncode == 0, done.stderr
    out = unpack(image, tmp_path / 'out')[1]
    text = (out / 'etc/innercore.conf').read_text()
    assert 'target = "LABEL=crash"\n' in text and 'keep = "5"\n' in text and '#' not in text
    assert listed(out)[-1] == 'extra'


def test_vfat_brings_its_character_sets(innercore, tree, tmp_path):
    done, image = make(innercore, tree, tmp_path, '--target-modules', 'virtio_blk', config='target=UUID=1234-ABCD\nfstype=vfat\n')
    assert done.returncode == 0, done.stderr
    # nls_ascii and its like are not in this kernel, which is no error.
    assert {'fat', 'vfat', 'nls_cp437'} <= set(listed(unpack(image, tmp_path / 'out')[1]))


def test_builtin_modules_are_not_packed(innercore, tree, tmp_path):
    done, image = make(innercore, tree, tmp_path, '--target-modules', 'sd_mod')
    assert done.returncode == 0, done.stderr
    assert sorted(listed(unpack(image, tmp_path / 'out')[1])) == ['ext4', 'jbd2']


def test_release_folder_may_be_named(innercore, tree, tmp_path):
    (tmp_path / 'conf').write_text(CONFIG)
    done = subprocess.run([innercore, 'mkinitramfs', '-c', tmp_path / 'conf', '--modules', tree[0] / 'lib/modules' / RELEASE, '-o',
                           tmp_path / 'b', '--target-modules', 'virtio_blk'], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert make(innercore, tree, tmp_path, '--target-modules', 'virtio_blk')[1].read_bytes() == (tmp_path / 'b').read_bytes()


@pytest.mark.parametrize('config, options, says', [
    (CONFIG, ['--target-modules', 'no_such'], 'there is no module no_such for kernel ' + RELEASE),
    (CONFIG, ['--target-modules', '../../etc'], 'is no name of a module'),
    (CONFIG, ['--target-modules', 'virtio_blk', '-k', '6.98'], 'lib/modules/6.98/modules.dep'),
    (CONFIG, ['--target-modules', 'virtio_blk', '--modules', '/nowhere'], 'there is no folder /nowhere'),
    (CONFIG, ['--target-modules', 'virtio_blk', '--init', '/bin/sh'], 'linked dynamically'),
    (CONFIG, ['--target-modules', 'virtio_blk', '--init', '/etc/passwd'], 'not a'),
    (CONFIG, ['--unknown'], 'unknown option'),
    (CONFIG, ['left-over'], 'too many arguments'),
    ('keep = 3\n', ['--target-modules', 'virtio_blk'], 'no target is configured'),
    ('target = raw:/dev/vdb\n', ['--target-modules', 'virtio_blk'], 'raw targets come later'),
    ('target = LABEL=innercore-no-such-label\n', [], '--target-modules'),
])
def test_errors_are_one_clear_line(innercore, tree, tmp_path, config, options, says):
    done, image = make(innercore, tree, tmp_path, *options, config=config)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count('\n') == 1
    assert not image.exists()


def test_a_broken_module_is_told(innercore, tree, tmp_path):
    copy = tmp_path / 'root'
    shutil.copytree(tree[0], copy)
    module = next(copy.rglob('virtio.ko.xz'))
    module.write_bytes(module.read_bytes()[:-20])
    done, image = make(innercore, (copy, {}), tmp_path, '--target-modules', 'virtio_blk')
    assert done.returncode == 2
    assert 'virtio.ko.xz' in done.stderr and '.xz' in done.stderr
    assert not image.exists()


def test_target_without_a_file_system_is_refused(innercore, tree, tmp_path):
    """Needs a block device: a loop device, where the machine lets a test have one."""
    blank = tmp_path / 'blank'
    with open(blank, 'wb') as handle:
        handle.truncate(1 << 20)
    loop = subprocess.run(['losetup', '--show', '-f', blank], capture_output=True, text=True, check=False)
    if loop.returncode != 0:
        pytest.skip('no loop devices here')
    node = loop.stdout.strip()
    try:
        done, _ = make(innercore, tree, tmp_path, config=f'target = {node}\n')
        assert done.returncode == 2
        assert 'holds no file system; raw targets come later' in done.stderr
    finally:
        subprocess.run(['losetup', '-d', node], check=True)
