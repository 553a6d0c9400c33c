// Carried out within Thunderbird by its remote control: an account is made, its folders are fetched, and what is
// asked for by name is done with them. Comes back as [error, value].
const [step, given] = arguments, answer = arguments[arguments.length - 1];
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");

// A listener of a URL or of a copy, and the promise of its end.
function waiter() {
	let end;
	const promise = new Promise((good, bad) => {
		end = status => Components.isSuccessCode(status) ? good() : bad(new Error(`status ${status.toString(16)}`));
	});
	return { promise, QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener"]),
		OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { end(status); },
		onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
		onStopCopy(status) { end(status); } };
}

function server() {
	return MailServices.accounts.allServers.find(s => s.type == "imap");
}

function folder(name) {
	const found = server().rootFolder.descendants.find(f => f.name == name || f.name.toLowerCase() == name.toLowerCase());
	if (!found)
		throw new Error(`no folder ${name}: ${server().rootFolder.descendants.map(f => f.name)}`);
	return found.QueryInterface(Ci.nsIMsgImapMailFolder);
}

function message(of, name) {
	return [...folder(of).messages].find(m => m.messageId.startsWith(name + "@"));
}

async function until(holds) {
	for (let i = 0; i < 1200; i++) {
		if (holds())
			return true;
		await new Promise(go => setTimeout(go, 100));
	}
	return false;
}

const steps = {
	async account({ host, port, user, password, ca }) {
		Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).addCertFromBase64(ca, "C,,");
		const incoming = MailServices.accounts.createIncomingServer(user, host, "imap");
		incoming.port = port;
		incoming.socketType = Ci.nsMsgSocketType.SSL;
		incoming.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
		incoming.password = password;
		const account = MailServices.accounts.createAccount(), identity = MailServices.accounts.createIdentity();
		identity.email = user;
		account.addIdentity(identity);
		account.incomingServer = incoming;
		incoming.performExpand(null);
		return until(() => incoming.rootFolder.descendants.length > 1);
	},
	folders() {
		return server().rootFolder.descendants.map(f => f.name).sort();
	},
	async fetch({ name }) {
		const end = waiter();
		folder(name).updateFolderWithListener(null, end);
		await end.promise;
		return steps.list({ name });
	},
	list({ name }) {
		return [...folder(name).messages].map(m => [m.messageId.split("@")[0], m.isRead, m.isFlagged,
			m.mime2DecodedSubject]);
	},
	async save({ name, of, path }) {
		const uri = folder(of).getUriForMsg(message(of, name)), end = waiter();
		const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
		file.initWithPath(path);
		MailServices.messageServiceFromURI(uri).saveMessageToDisk(uri, file, false, end, true, null);
		await end.promise;
	},
	read({ name, of }) {
		folder(of).markMessagesRead([message(of, name)], true);
	},
	flag({ name, of }) {
		folder(of).markMessagesFlagged([message(of, name)], true);
	},
	async transfer({ name, of, to, move }) {
		const end = waiter();
		MailServices.copy.copyMessages(folder(of), [message(of, name)], folder(to), move, end, null, false);
		await end.promise;
	},
	async remove({ name, of }) {
		const end = waiter();
		folder(of).deleteMessages([message(of, name)], null, true, false, end, false);
		await end.promise;
	},
	async hears({ name, of }) {
		return until(() => message(of, name));
	},
};

Promise.resolve().then(() => steps[step](given)).then(value => answer([null, value ?? null]),
	why => answer([`${why}`, null]));
