'use strict';
'require view';
'require form';
'require fs';
'require rpc';
'require ui';

/* The settings that most need: the rest of proxy.ini is set by uci. */

const NAME = 'openai-chat-proxy';

const serviceList = rpc.declare({
	object: 'service',
	method: 'list',
	params: [ 'name' ],
	expect: { '': {} }
});

function isRunning(services) {
	const instances = (services[NAME] || {}).instances || {};

	return Object.values(instances).some((i) => i.running);
}

/* What the init script's check says, in a window. */
function showCheck() {
	return fs.exec('/etc/init.d/' + NAME, [ 'check' ]).then((said) => {
		ui.showModal(_('Configuration'), [
			E('pre', {}, [ (said.stdout || '') + (said.stderr || '') ]),
			E('div', { 'class': 'right' }, [
				E('button', { 'class': 'btn', 'click': ui.hideModal }, [ _('Close') ])
			])
		]);
	});
}

return view.extend({
	load: function() {
		return serviceList(NAME);
	},

	render: function(services) {
		const m = new form.Map(NAME, _('OpenAI Chat Proxy'),
			_('Stands in front of the OpenAI API, or of anything compatible with it.') + ' ' +
			(isRunning(services) ? _('It is running.') : _('It is not running.')));
		let s, o;

		s = m.section(form.NamedSection, 'server', 'server', _('Service'));
		o = s.option(form.Flag, 'enabled', _('Enable'));
		o.rmempty = false;
		o = s.option(form.DynamicList, 'listen', _('Listen on'),
			_('Address and port; 0.0.0.0 and [::] are all addresses.'));
		o.placeholder = '0.0.0.0:8000';
		o = s.option(form.Value, 'max_connections', _('Clients at most'));
		o.datatype = 'uinteger';
		o.placeholder = '10000';
		o = s.option(form.Button, '_check', _('Saved configuration'));
		o.inputtitle = _('Check');
		o.onclick = showCheck;

		s = m.section(form.NamedSection, 'main', 'upstream', _('Upstream'));
		o = s.option(form.Value, 'base_url', _('URL'));
		o.placeholder = 'https://api.openai.com';
		o = s.option(form.Value, 'proxy_url_path', _('Path'),
			_('Where /v1/chat/completions is forwarded to.'));
		o.placeholder = '/v1/chat/completions';
		o = s.option(form.Value, 'proxy', _('Outgoing proxy'));
		o.placeholder = 'socks5h://192.168.1.2:1080';
		o = s.option(form.Value, 'api_key', _('Key'),
			_('For all clients, where there are none below. Then the addresses must be restricted.'));
		o.password = true;
		s.option(form.DynamicList, 'field_aliases', _('Rename fields'), _('old=new'));
		s.option(form.DynamicList, 'defaults', _('Default fields'), _('name=value in JSON'));

		s = m.section(form.TypedSection, 'key', _('Clients'),
			_('Each has a key of its own. Its name is what the log shows.'));
		s.addremove = true;
		o = s.option(form.Value, 'key', _('Key of the client'));
		o.password = true;
		o.rmempty = false;
		o = s.option(form.Value, 'upstream_key', _('Key of the upstream'));
		o.password = true;

		s = m.section(form.NamedSection, 'access', 'access', _('Access'));
		o = s.option(form.DynamicList, 'ip_whitelist', _('Addresses allowed'), _('Empty: all.'));
		o.datatype = 'ipaddr';
		o = s.option(form.DynamicList, 'ip_blacklist', _('Addresses refused'));
		o.datatype = 'ipaddr';

		s = m.section(form.NamedSection, 'log', 'log', _('Log'));
		o = s.option(form.ListValue, 'level', _('Level'));
		[ 'debug', 'info', 'warning', 'error' ].forEach((level) => o.value(level));
		o.default = 'info';
		o = s.option(form.Flag, 'log_requests', _('Bodies of requests'));
		o = s.option(form.Flag, 'log_responses', _('Bodies of responses'));

		return m.render();
	}
});
