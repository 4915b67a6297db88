// Renders the LuCI page with stand-ins for LuCI, and prints what it edits, as JSON:
// [[type and name of the section, option], ...]
const fs = require('fs');
const seen = [];
const option = { value() {} };
const section = (where) => ({
    option(kind, name) {
        seen.push([where, name]);
        return Object.create(option);
    },
});
const form = new Proxy({}, { get: (_, kind) => kind === 'Map' ? class {
    section(kind, name, type) {
        return section(kind === 'NamedSection' ? `${type} ${name}` : name);
    }
    render() { return this; }
} : kind });
const services = { 'openai-chat-proxy': { instances: { instance1: { running: true } } } };
const view = { extend: (it) => it };
const rpc = { declare: () => () => services };
const ui = { showModal() {}, hideModal() {} };
const exec = async () => ({ stdout: '' });
const names = ['view', 'form', 'fs', 'rpc', 'ui', '_', 'E'];
const page = new Function(...names, fs.readFileSync(process.argv[2], 'utf8'))(
    view, form, { exec }, rpc, ui, (text) => text, () => ({}));
page.render(page.load());
console.log(JSON.stringify(seen));
